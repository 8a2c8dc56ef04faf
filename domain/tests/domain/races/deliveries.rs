//! Invitations that change while the result of a delivery is written.

use std::sync::{Arc, Mutex};

use guestlist_domain::jobs::{DeleteIdentity, SendInvitation};
use guestlist_domain::{InvitationStatus, UserStatus, Verdict};

use crate::support::{Call, JobState, Link, Simulation, errors, hours, mins, secs};

#[test]
fn an_invitation_accepted_while_the_result_is_written_stays_accepted() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    let (other, link) = (t.clone(), t.link("ada"));
    t.store.run_before_next_apply(move || drop(other.redeem(&link).unwrap()));

    assert_eq!(t.settle(&in_flight).unwrap(), Verdict::Applied);

    let accepted = t.again(&ada);
    assert_eq!((accepted.status, accepted.sent_at), (InvitationStatus::Accepted, None));
    assert_eq!(t.event_kinds(&ada), ["requested", "accepted", "attempted"]);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}

#[test]
fn the_link_of_an_invitation_revoked_while_the_result_is_written_is_revoked() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

    t.settle(&in_flight).unwrap();
    t.work();

    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn an_invitation_resent_while_the_result_is_written_is_queued() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.resend(ada.id).unwrap()));

    t.settle(&in_flight).unwrap();

    assert_eq!(t.again(&ada).status, InvitationStatus::Queued);
    t.work_for(secs(2));
    assert_eq!(t.again(&ada).attempts, 1);
}

#[test]
fn an_invitation_revoked_while_a_failure_is_written_stays_revoked() {
    for error in [errors::rejected("inactive_email"), errors::internal(), errors::misconfigured()] {
        let t = Simulation::new();
        let ada = t.invited("ada");
        t.provider.refuses(Call::SendInvite, 1, &error);
        let in_flight = t.perform_next();
        let other = t.clone();
        t.store.run_before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

        t.settle(&in_flight).unwrap();
        t.work_for(hours(1));

        let revoked = t.again(&ada);
        assert_eq!((revoked.status, revoked.held_by), (InvitationStatus::Revoked, None));
        assert!(t.inbox("ada").is_empty());
        assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
    }
}

#[test]
fn a_delivery_is_recorded_while_its_user_is_removed() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.remove(ada.user_id).unwrap()));

    t.settle(&in_flight).unwrap();

    let user = t.expect_user("ada");
    assert_eq!(user.status, UserStatus::Deleting);
    assert!(user.provider_user_id.is_some(), "what has to be deleted is known");
    t.work();
    assert_eq!(t.user("ada"), None);
    assert!(t.provider.state().users.is_empty());
}

#[test]
fn a_login_job_does_not_resend_what_was_accepted_concurrently() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.log_in("ada").unwrap();
    let in_flight = t.perform_next();
    t.redeem(&t.link("ada")).unwrap();

    t.settle(&in_flight).unwrap();
    t.work_for(mins(5));

    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn a_login_job_does_not_resend_what_is_revoked_as_it_writes() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.log_in("ada").unwrap();
    let in_flight = t.perform_next();
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

    t.settle(&in_flight).unwrap();
    t.work_for(mins(5));

    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn two_concurrent_deletions_erase_once() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    t.remove(ada.id).unwrap();
    let (first, second) = (t.perform_next(), t.perform_next());
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.settle(&second)));

    assert_eq!(t.settle(&first).unwrap(), Verdict::Applied);

    assert_eq!(t.user("ada"), None);
    assert_eq!(
        t.event_kinds_of(&ada),
        ["session_started", "user_deleting", "session_ended", "user_deleted"]
    );
    assert!(t.jobs::<DeleteIdentity>().iter().all(|row| row.state == JobState::Done));
}

#[test]
fn a_result_is_written_after_a_lost_connection() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    t.store.lose_next_applies(1);
    assert!(t.settle(&in_flight).is_err());
    assert_eq!(t.again(&ada), ada, "none of it was written");
    assert_eq!(t.event_kinds(&ada), ["requested"]);

    t.settle(&in_flight).unwrap();

    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent"]);
}

#[test]
fn an_identity_linked_during_the_removal_is_deleted_too() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let deletion = Arc::new(Mutex::new(None));
    let (other, held) = (t.clone(), deletion.clone());
    t.provider.before_effect(Call::SendInvite, move || {
        other.remove(ada.user_id).unwrap();
        *held.lock().unwrap() = Some(other.perform_next());
    });
    let mail = t.perform_next();
    t.settle(&mail).unwrap();
    let deletion = deletion.lock().unwrap().take().unwrap();

    t.settle(&deletion).unwrap();
    t.work_for(mins(5));

    assert_eq!(t.user("ada"), None);
    assert!(t.provider.state().users.is_empty());
}
