//! Jobs whose call is not permitted have no effect and cost no attempt.

use guestlist_domain::jobs::{
    DeleteIdentity, RevokeInvitation, RevokeSession, SendInvitation, SendLoginLink,
};
use guestlist_domain::{Job, UserStatus};

use crate::support::{Call, Fault, Interruption, JobState, Link, Simulation, at, secs};

/// Denies the next job's call twice, then permits it.
fn waits_for_its_turn<J: Job>(t: &Simulation, call: Call) {
    let before = t.provider.call_count(call);
    for _ in 0..2 {
        let claimed = t.claim().unwrap();
        assert_eq!(claimed.kind, J::KIND);
        let waiting = t.perform(claimed, Interruption::LeaseRanOut);
        t.settle(&waiting).unwrap();
        assert_eq!(t.provider.call_count(call), before, "{} called", J::KIND);
        let row = t.job::<J>();
        assert_eq!((row.attempts, row.is_waiting()), (0, true), "{}", J::KIND);
        assert_eq!(row.last_error.unwrap().code, "not_started", "{}", J::KIND);
    }
    t.work();
    assert_eq!(t.provider.call_count(call), before + 1, "{}", J::KIND);
    let row = t.job::<J>();
    assert_eq!((row.attempts, row.state), (1, JobState::Done), "{}", J::KIND);
}

#[test]
fn a_mail_waits_for_the_call_gate() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    waits_for_its_turn::<SendInvitation>(&t, Call::SendInvite);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent"]);
    t.redeem(&t.link("ada")).unwrap();
    t.wait(secs(60));
    t.log_in("ada").unwrap();
    waits_for_its_turn::<SendLoginLink>(&t, Call::SendLogin);
}

#[test]
fn a_session_revocation_waits_for_the_call_gate() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.log_out(&ada).unwrap();
    waits_for_its_turn::<RevokeSession>(&t, Call::RevokeSession);
    assert!(t.provider.state().sessions[0].is_revoked);
}

#[test]
fn an_invitation_revocation_waits_for_the_call_gate() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    waits_for_its_turn::<RevokeInvitation>(&t, Call::RevokeInvite);
}

#[test]
fn a_removal_waits_for_the_call_gate_and_erases_no_user_before() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    let waiting = t.perform(t.claim().unwrap(), Interruption::LeaseRanOut);
    t.settle(&waiting).unwrap();
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    assert!(t.store.tables().tombstones.is_empty());

    waits_for_its_turn::<DeleteIdentity>(&t, Call::DeleteUser);

    assert_eq!(t.user("ada"), None);
    assert_eq!(
        t.event_kinds_of(&ada),
        ["session_started", "user_deleting", "session_ended", "user_deleted"]
    );
}

#[test]
fn an_identity_may_be_searched_for_before_the_gate_but_not_deleted() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.next(Call::SendInvite, Fault::AnswerLost);
    t.work();
    t.remove(ada.user_id).unwrap();
    let claimed = std::iter::from_fn(|| t.claim()).find(|job| job.kind == DeleteIdentity::KIND);

    let waiting = t.perform(claimed.unwrap(), Interruption::LeaseRanOut);
    t.settle(&waiting).unwrap();

    let request = [Call::FindUser, Call::DeleteUser].map(|call| t.provider.call_count(call));
    assert_eq!(request, [1, 0]);
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    assert!(t.provider.state().find(&at("ada")).is_some());
    t.work();
    assert!(t.provider.state().find(&at("ada")).is_none());
    assert_eq!(t.user("ada"), None);
}

#[test]
fn a_resend_while_a_revocation_waits_for_the_call_gate_is_kept() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let sending = t.perform_next();
    t.cancel(t.job_id::<SendInvitation>()).unwrap();
    t.settle(&sending).unwrap();
    let revocation = t.claim().unwrap();
    assert_eq!(revocation.kind, RevokeInvitation::KIND);
    let other = t.clone();
    t.while_waiting_at_gate(move || {
        other.resend(ada.id).unwrap();
        other.work_for(secs(2));
    });

    let performed = t.perform(revocation, Interruption::None);
    t.settle(&performed).unwrap();
    t.work_for(secs(60));

    assert_eq!(t.provider.call_count(Call::RevokeInvite), 0);
    assert_eq!(t.link_state("ada"), Link::Outstanding);
    assert!(t.redeem(&t.link("ada")).is_ok());
}
