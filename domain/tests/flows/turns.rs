//! A job whose turn to call Stytch does not come does nothing, and that costs it nothing.

use guestlist_domain::flows::{
    DeleteIdentity, RevokeInvitation, RevokeSession, SendInvitation, SendLoginLink,
};
use guestlist_domain::{Job, UserStatus};

use crate::support::{Call, Fault, Going, House, JobState, Link, at, secs};

/// The best job may not call, twice; then it may.
fn waits_for_its_turn<J: Job>(t: &House, call: Call) {
    let before = t.stytch.was_asked(call);
    for _ in 0..2 {
        let claimed = t.claim().unwrap();
        assert_eq!(claimed.kind, J::KIND);
        let waiting = t.perform(claimed, Going::LeaseRanOut);
        t.settle(&waiting).unwrap();
        assert_eq!(t.stytch.was_asked(call), before, "{} called", J::KIND);
        let row = t.job::<J>();
        assert_eq!((row.attempts, row.is_waiting()), (0, true), "{}", J::KIND);
        assert_eq!(row.last_error.unwrap().code, "not_started", "{}", J::KIND);
    }
    t.work();
    assert_eq!(t.stytch.was_asked(call), before + 1, "{}", J::KIND);
    let row = t.job::<J>();
    assert_eq!((row.attempts, row.state), (1, JobState::Done), "{}", J::KIND);
}

#[test]
fn a_mail_waits_for_its_turn() {
    let t = House::new();
    let ada = t.invited("ada");
    waits_for_its_turn::<SendInvitation>(&t, Call::SendInvite);
    assert_eq!(t.story(&ada), ["requested", "attempted", "sent"]);
    t.press(&t.link("ada")).unwrap();
    t.wait(secs(60));
    t.log_in("ada").unwrap();
    waits_for_its_turn::<SendLoginLink>(&t, Call::SendLogin);
}

#[test]
fn the_end_of_a_session_waits_for_its_turn() {
    let t = House::new();
    let ada = t.came_in("ada");
    t.log_out(&ada).unwrap();
    waits_for_its_turn::<RevokeSession>(&t, Call::RevokeSession);
    assert!(t.stytch.knows().sessions[0].is_revoked);
}

#[test]
fn the_end_of_an_invitation_waits_for_its_turn() {
    let t = House::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    waits_for_its_turn::<RevokeInvitation>(&t, Call::RevokeInvite);
}

#[test]
fn a_removal_waits_for_its_turn_and_erases_nobody_before() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.remove(ada.id).unwrap();
    let waiting = t.perform(t.claim().unwrap(), Going::LeaseRanOut);
    t.settle(&waiting).unwrap();
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    assert!(t.store.tables().tombstones.is_empty());

    waits_for_its_turn::<DeleteIdentity>(&t, Call::DeleteUser);

    assert_eq!(t.user("ada"), None);
    assert_eq!(
        t.story_of(&ada),
        ["session_started", "user_deleting", "session_ended", "user_deleted"]
    );
}

#[test]
fn an_identity_may_be_searched_for_out_of_turn_but_not_deleted() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.next(Call::SendInvite, Fault::AnswerLost);
    t.work();
    t.remove(ada.user_id).unwrap();
    let claimed = std::iter::from_fn(|| t.claim()).find(|job| job.kind == DeleteIdentity::KIND);

    let waiting = t.perform(claimed.unwrap(), Going::LeaseRanOut);
    t.settle(&waiting).unwrap();

    let asked = [Call::FindUser, Call::DeleteUser].map(|call| t.stytch.was_asked(call));
    assert_eq!(asked, [1, 0]);
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    assert!(t.stytch.knows().find(&at("ada")).is_some());
    t.work();
    assert!(t.stytch.knows().find(&at("ada")).is_none());
    assert_eq!(t.user("ada"), None);
}

#[test]
fn what_was_sent_again_while_its_undoing_waited_for_its_turn_is_not_undone() {
    let t = House::new();
    let ada = t.invited("ada");
    let sending = t.begin();
    t.cancel(t.job_id::<SendInvitation>()).unwrap();
    t.settle(&sending).unwrap();
    let undoing = t.claim().unwrap();
    assert_eq!(undoing.kind, RevokeInvitation::KIND);
    let other = t.clone();
    t.while_it_waits_for_its_turn(move || {
        other.resend(ada.id).unwrap();
        other.work_for(secs(2));
    });

    let undone = t.perform(undoing, Going::Well);
    t.settle(&undone).unwrap();
    t.work_for(secs(60));

    assert_eq!(t.stytch.was_asked(Call::RevokeInvite), 0);
    assert_eq!(t.link_state("ada"), Link::Outstanding);
    assert!(t.press(&t.link("ada")).is_ok());
}
