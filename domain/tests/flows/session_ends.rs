//! Somebody leaves: here at once, at Stytch soon after.

use guestlist_domain::EndReason;
use guestlist_domain::flows::RevokeSession;

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
