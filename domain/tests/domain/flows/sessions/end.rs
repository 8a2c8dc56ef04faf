//! Ending sessions before they expire, here and at the provider.

use guestlist_domain::flows::LoggedIn;
use guestlist_domain::jobs::RevokeSession;
use guestlist_domain::{EndReason, EventKind};
use serde_json::json;

use crate::support::{Call, Fault, Interruption, JobState, Simulation, errors, mins, secs};

#[test]
fn a_logout_ends_the_session_here_and_at_the_provider() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");

    t.log_out(&ada).unwrap();

    assert!(t.return_with(&ada.tokens).is_err());
    assert_eq!(t.sessions(&ada.user)[0].ended, Some((t.now(), EndReason::LoggedOut)));
    assert_eq!(t.event_kinds_of(&ada.user), ["session_started", "session_ended"]);
    assert!(!t.provider.state().sessions[0].is_revoked);
    t.work();
    assert!(t.provider.state().sessions[0].is_revoked);
}

#[test]
fn a_logout_ends_only_its_session() {
    let t = Simulation::new();
    let first = t.logged_in("ada");
    t.log_in("ada").unwrap();
    t.work();
    let second = t.redeem(&t.link("ada")).unwrap();

    t.log_out(&first).unwrap();
    t.work();

    assert!(t.return_with(&first.tokens).is_err());
    assert!(t.return_with(&second.tokens).is_ok());
    let revoked: Vec<_> = t.provider.state().sessions.iter().map(|s| s.is_revoked).collect();
    assert_eq!(revoked, [true, false]);
}

#[test]
fn the_first_end_reason_is_kept() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.log_out(&ada).unwrap();
    t.wait(secs(60));
    t.remove(ada.user.id).unwrap();

    let ended = t.sessions(&ada.user)[0].ended;
    assert_eq!(ended, Some((ada.session.started_at, EndReason::LoggedOut)));
}

#[test]
fn logging_out_twice_is_harmless() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.log_out(&ada).unwrap();
    assert!(t.log_out(&ada).is_ok());
    t.work();
    assert!(t.provider.state().sessions[0].is_revoked);
}

#[test]
fn the_revocation_is_retried_until_the_provider_succeeds() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.log_out(&ada).unwrap();
    t.provider.refuses(Call::RevokeSession, 1, &errors::internal());
    t.provider.refuses(Call::RevokeSession, 1, &errors::misconfigured());
    t.provider.next(Call::RevokeSession, Fault::CallLost);
    let broken = t.perform(t.claim().unwrap(), Interruption::Breaks);
    t.settle(&broken).unwrap();

    t.work_for(mins(5));

    assert!(t.provider.state().sessions[0].is_revoked);
    assert_eq!(t.job::<RevokeSession>().state, JobState::Done);
}

#[test]
fn a_rejected_revocation_leaves_a_dead_job() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.log_out(&ada).unwrap();
    t.provider.refuses(Call::RevokeSession, 1, &errors::rejected("bad_request"));

    t.work();

    let job = t.job::<RevokeSession>();
    assert_eq!((job.state, job.last_error.unwrap().code.as_str()), (JobState::Dead, "bad_request"));
}

/// Logs a user in again, in another browser.
fn again(t: &Simulation, name: &str) -> LoggedIn {
    t.log_in(name).unwrap();
    t.work_for(secs(2));
    t.redeem(&t.link(name)).unwrap()
}

#[test]
fn one_session_can_be_ended() {
    let t = Simulation::new();
    let (first, second) = (t.logged_in("ada"), again(&t, "ada"));

    let ended = t.end_one(first.user.id, first.session.id).unwrap();

    assert_eq!(ended.map(|session| session.id), Some(first.session.id));
    assert!(t.return_with(&first.tokens).is_err());
    assert!(t.return_with(&second.tokens).is_ok());
    assert_eq!(t.end_one(first.user.id, first.session.id).unwrap(), None, "only once");
    let tables = t.store.tables().clone();
    let recorded = tables.events.values().rfind(|e| e.kind == EventKind::SessionEnded).unwrap();
    assert_eq!(recorded.detail, json!({ "session": first.session.id, "reason": "revoked" }));
    assert_eq!(t.jobs::<RevokeSession>().len(), 1);
}

#[test]
fn another_users_session_cannot_be_ended() {
    let t = Simulation::new();
    let (ada, bob) = (t.logged_in("ada"), t.logged_in("bob"));
    assert_eq!(t.end_one(bob.user.id, ada.session.id).unwrap(), None);
    assert!(t.return_with(&ada.tokens).is_ok());
}

#[test]
fn all_other_sessions_can_be_ended() {
    let t = Simulation::new();
    let bob = t.logged_in("bob");
    let all = [t.logged_in("ada"), again(&t, "ada"), again(&t, "ada")];

    assert_eq!(t.end_others(&all[1].session).unwrap(), 2);

    let are_in = all.each_ref().map(|one| t.return_with(&one.tokens).is_ok());
    assert_eq!(are_in, [false, true, false]);
    assert!(t.return_with(&bob.tokens).is_ok());
    assert_eq!(t.end_others(&all[1].session).unwrap(), 0, "none is left");
    t.work();
    assert_eq!(t.provider.state().sessions.iter().filter(|known| known.is_revoked).count(), 2);
}

#[test]
fn ending_all_sessions_counts_live_ones_only() {
    let t = Simulation::new();
    let (first, second) = (t.logged_in("ada"), again(&t, "ada"));
    t.log_out(&first).unwrap();

    assert_eq!(t.end_all(first.user.id).unwrap(), 1);

    assert!(t.return_with(&second.tokens).is_err());
    assert_eq!(t.sessions(&first.user)[0].ended.unwrap().1, EndReason::LoggedOut);
    assert_eq!(t.end_all(first.user.id).unwrap(), 0);
    t.remove(first.user.id).unwrap();
    t.work();
    assert!(
        matches!(t.end_all(first.user.id), Err(guestlist_domain::flows::UserError::NotFound)),
        "nobody is there"
    );
}

#[test]
fn a_session_gone_at_the_provider_is_recorded_once_and_not_revoked() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.provider.state().sessions[0].is_revoked = true;
    t.wait(mins(6));
    for _ in 0..2 {
        assert!(t.return_with(&ada.tokens).is_err());
    }
    assert_eq!(t.sessions(&ada.user)[0].ended, Some((t.now(), EndReason::GoneAtProvider)));
    assert_eq!(t.event_kinds_of(&ada.user), ["session_started", "session_ended"]);
    assert!(t.jobs::<RevokeSession>().is_empty());
}

#[test]
fn a_replaced_session_is_recorded() {
    let t = Simulation::new();
    let earlier = t.logged_in("ada");
    t.sent("bob");
    let replaces = Some(earlier.session.clone());
    let request = guestlist_domain::flows::RedeemLink {
        previous_session: replaces,
        ..Simulation::redemption(&t.link("bob"))
    };

    t.redeem_with(&request).unwrap();

    assert_eq!(t.event_kinds_of(&earlier.user), ["session_started", "session_ended"]);
    let tables = t.store.tables().clone();
    let recorded = tables.events.values().find(|e| e.kind == EventKind::SessionEnded).unwrap();
    assert_eq!(recorded.detail, json!({ "session": earlier.session.id, "reason": "replaced" }));
    assert_eq!(recorded.actor.id(), Some(earlier.user.id.0));
}
