//! Sessions end before their time: here at once, at Stytch soon after.

use guestlist_domain::flows::{LoggedIn, RevokeSession};
use guestlist_domain::{EndReason, EventKind};
use serde_json::json;

use crate::support::{Call, Fault, Going, House, JobState, errors, mins, secs};

#[test]
fn whoever_logs_out_is_out_at_once_and_at_stytch_soon_after() {
    let t = House::new();
    let ada = t.came_in("ada");

    t.log_out(&ada).unwrap();

    assert!(t.comes_back(&ada.tokens).is_err());
    assert_eq!(t.sessions(&ada.user)[0].ended, Some((t.now(), EndReason::LoggedOut)));
    assert_eq!(t.story_of(&ada.user), ["session_started", "session_ended"]);
    assert!(!t.stytch.knows().sessions[0].is_revoked);
    t.work();
    assert!(t.stytch.knows().sessions[0].is_revoked);
}

#[test]
fn only_the_session_that_is_left_ends() {
    let t = House::new();
    let first = t.came_in("ada");
    t.log_in("ada").unwrap();
    t.work();
    let second = t.press(&t.link("ada")).unwrap();

    t.log_out(&first).unwrap();
    t.work();

    assert!(t.comes_back(&first.tokens).is_err());
    assert!(t.comes_back(&second.tokens).is_ok());
    let revoked: Vec<_> = t.stytch.knows().sessions.iter().map(|s| s.is_revoked).collect();
    assert_eq!(revoked, [true, false]);
}

#[test]
fn the_first_reason_stays() {
    let t = House::new();
    let ada = t.came_in("ada");
    t.log_out(&ada).unwrap();
    t.wait(secs(60));
    t.remove(ada.user.id).unwrap();

    let ended = t.sessions(&ada.user)[0].ended;
    assert_eq!(ended, Some((ada.session.started_at, EndReason::LoggedOut)));
}

#[test]
fn leaving_twice_is_no_trouble() {
    let t = House::new();
    let ada = t.came_in("ada");
    t.log_out(&ada).unwrap();
    assert!(t.log_out(&ada).is_ok());
    t.work();
    assert!(t.stytch.knows().sessions[0].is_revoked);
}

#[test]
fn stytch_is_told_until_it_hears() {
    let t = House::new();
    let ada = t.came_in("ada");
    t.log_out(&ada).unwrap();
    t.stytch.refuses(Call::RevokeSession, 1, &errors::internal());
    t.stytch.refuses(Call::RevokeSession, 1, &errors::misconfigured());
    t.stytch.next(Call::RevokeSession, Fault::CallLost);
    let broken = t.perform(t.claim().unwrap(), Going::Breaks);
    t.settle(&broken).unwrap();

    t.work_for(mins(5));

    assert!(t.stytch.knows().sessions[0].is_revoked);
    assert_eq!(t.job::<RevokeSession>().state, JobState::Done);
}

#[test]
fn what_stytch_refuses_for_good_is_dead_and_stays_visible() {
    let t = House::new();
    let ada = t.came_in("ada");
    t.log_out(&ada).unwrap();
    t.stytch.refuses(Call::RevokeSession, 1, &errors::rejected("bad_request"));

    t.work();

    let job = t.job::<RevokeSession>();
    assert_eq!((job.state, job.last_error.unwrap().code.as_str()), (JobState::Dead, "bad_request"));
}

/// Comes in once more, from elsewhere.
fn again(t: &House, who: &str) -> LoggedIn {
    t.log_in(who).unwrap();
    t.work_for(secs(2));
    t.press(&t.link(who)).unwrap()
}

#[test]
fn one_is_ended_from_elsewhere() {
    let t = House::new();
    let (first, second) = (t.came_in("ada"), again(&t, "ada"));

    let ended = t.end_one(first.user.id, first.session.id).unwrap();

    assert_eq!(ended.map(|session| session.id), Some(first.session.id));
    assert!(t.comes_back(&first.tokens).is_err());
    assert!(t.comes_back(&second.tokens).is_ok());
    assert_eq!(t.end_one(first.user.id, first.session.id).unwrap(), None, "only once");
    let tables = t.store.tables().clone();
    let told = tables.events.values().rfind(|e| e.kind == EventKind::SessionEnded).unwrap();
    assert_eq!(told.detail, json!({ "session": first.session.id, "reason": "revoked" }));
    assert_eq!(t.jobs::<RevokeSession>().len(), 1);
}

#[test]
fn nobody_ends_somebody_elses() {
    let t = House::new();
    let (ada, bob) = (t.came_in("ada"), t.came_in("bob"));
    assert_eq!(t.end_one(bob.user.id, ada.session.id).unwrap(), None);
    assert!(t.comes_back(&ada.tokens).is_ok());
}

#[test]
fn all_but_one_end() {
    let t = House::new();
    let bob = t.came_in("bob");
    let all = [t.came_in("ada"), again(&t, "ada"), again(&t, "ada")];

    assert_eq!(t.end_others(&all[1].session).unwrap(), 2);

    let are_in = all.each_ref().map(|one| t.comes_back(&one.tokens).is_ok());
    assert_eq!(are_in, [false, true, false]);
    assert!(t.comes_back(&bob.tokens).is_ok());
    assert_eq!(t.end_others(&all[1].session).unwrap(), 0, "none is left");
    t.work();
    assert_eq!(t.stytch.knows().sessions.iter().filter(|known| known.is_revoked).count(), 2);
}

#[test]
fn all_end_and_those_that_are_over_are_not_counted() {
    let t = House::new();
    let (first, second) = (t.came_in("ada"), again(&t, "ada"));
    t.log_out(&first).unwrap();

    assert_eq!(t.end_all(first.user.id).unwrap(), 1);

    assert!(t.comes_back(&second.tokens).is_err());
    assert_eq!(t.sessions(&first.user)[0].ended.unwrap().1, EndReason::LoggedOut);
    assert_eq!(t.end_all(first.user.id).unwrap(), 0);
    t.remove(first.user.id).unwrap();
    t.work();
    assert!(
        matches!(t.end_all(first.user.id), Err(guestlist_domain::flows::EndAllError::NotFound)),
        "nobody is there"
    );
}

#[test]
fn what_is_gone_at_stytch_is_told_once_and_nobody_has_to_tell_stytch() {
    let t = House::new();
    let ada = t.came_in("ada");
    t.stytch.knows().sessions[0].is_revoked = true;
    t.wait(mins(6));
    for _ in 0..2 {
        assert!(t.comes_back(&ada.tokens).is_err());
    }
    assert_eq!(t.sessions(&ada.user)[0].ended, Some((t.now(), EndReason::GoneAtProvider)));
    assert_eq!(t.story_of(&ada.user), ["session_started", "session_ended"]);
    assert!(t.jobs::<RevokeSession>().is_empty());
}

#[test]
fn the_replaced_one_is_told_of() {
    let t = House::new();
    let earlier = t.came_in("ada");
    t.sent("bob");
    let replaces = Some(earlier.session.clone());
    let press = guestlist_domain::flows::RedeemLink {
        previous_session: replaces,
        ..House::pressing(&t.link("bob"))
    };

    t.press_as(&press).unwrap();

    assert_eq!(t.story_of(&earlier.user), ["session_started", "session_ended"]);
    let tables = t.store.tables().clone();
    let told = tables.events.values().find(|e| e.kind == EventKind::SessionEnded).unwrap();
    assert_eq!(told.detail, json!({ "session": earlier.session.id, "reason": "replaced" }));
    assert_eq!(told.actor.id(), Some(earlier.user.id.0));
}
