//! Cancelling and retrying deliveries, and the effects on their invitations.

use guestlist_domain::flows::JobOperationError;
use guestlist_domain::jobs::{RevokeInvitation, SendInvitation};
use guestlist_domain::{Invitation, InvitationStatus, JobState, Role};
use serde_json::json;

use crate::support::{Call, Simulation, errors, hours, mins, secs};

#[test]
fn a_cancelled_delivery_fails_its_invitation_at_once() {
    let t = Simulation::new();
    let ada = t.invited("ada");

    t.cancel(t.job_id::<SendInvitation>()).unwrap();

    let failed = t.again(&ada);
    assert_eq!((failed.status, failed.next_attempt_at), (InvitationStatus::Failed, None));
    assert_eq!(failed.last_error.unwrap().code, "cancelled");
    assert_eq!(t.event_kinds(&ada), ["requested", "failed"]);
    let event = &t.timeline(&ada)[1];
    assert_eq!(event.detail, json!({ "code": "cancelled", "attempts": 0 }));
    assert_eq!(event.actor.kind(), "cli", "it was not the system");
    assert_eq!(t.job::<SendInvitation>().state, JobState::Cancelled);
    t.work_for(hours(1));
    assert!(t.inbox("ada").is_empty());
}

#[test]
fn a_delivery_waiting_for_a_retry_can_be_cancelled() {
    for error in [errors::internal(), errors::rate_limited(None), errors::misconfigured()] {
        let t = Simulation::new();
        let ada = t.invited("ada");
        t.provider.refuses(Call::SendInvite, 1, &error);
        t.work();

        t.cancel(t.job_id::<SendInvitation>()).unwrap();
        t.work_for(hours(1));

        let failed = t.again(&ada);
        assert_eq!((failed.status, failed.held_by), (InvitationStatus::Failed, None));
        assert!(t.inbox("ada").is_empty(), "after {}", error.code);
    }
}

#[test]
fn an_invitation_whose_delivery_was_cancelled_can_be_resent() {
    for invites in [true, false] {
        let t = Simulation::new();
        let ada = t.invited("ada");
        t.cancel(t.job_id::<SendInvitation>()).unwrap();

        if invites {
            t.invited("ada");
        } else {
            t.resend(ada.id).unwrap();
        }
        t.work_for(secs(2));

        assert!(t.redeem(&t.link("ada")).is_ok());
    }
}

#[test]
fn a_retried_dead_delivery_is_sent_by_the_same_job() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.fail_all(errors::unreachable());
    t.work_for(hours(5));
    assert_eq!(t.again(&ada).status, InvitationStatus::Failed);
    t.provider.recover();
    let dead = t.job::<SendInvitation>();

    t.retry(dead.job.id).unwrap();

    let renewed = t.again(&ada);
    assert_eq!((renewed.status, renewed.delivery), (InvitationStatus::Queued, 1));
    assert_eq!((renewed.attempts, &renewed.last_error), (0, &None));
    assert_eq!((renewed.resent_at, renewed.expires_at), (Some(t.now()), t.now() + hours(7 * 24)));
    t.work();
    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
    let story = t.event_kinds(&ada);
    assert_eq!(story[21..], ["failed", "resent", "attempted", "sent"]);
    assert_eq!(t.jobs::<SendInvitation>().len(), 1);
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn a_retried_cancelled_delivery_is_sent() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let job = t.job_id::<SendInvitation>();
    t.cancel(job).unwrap();
    t.retry(job).unwrap();

    t.work_for(secs(2));

    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(t.event_kinds(&ada), ["requested", "failed", "resent", "attempted", "sent"]);
}

#[test]
fn a_delivery_waiting_for_a_retry_can_be_retried_at_once() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 9, &errors::internal());
    t.work_for(mins(8));
    t.provider.recover();
    assert_eq!(t.again(&ada).status, InvitationStatus::Queued);

    t.retry(t.job_id::<SendInvitation>()).unwrap();
    t.work_for(secs(2));

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
}

#[test]
fn a_dead_delivery_resent_since_is_superseded() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    let dead = t.job_id::<SendInvitation>();
    t.resend(ada.id).unwrap();
    let before = format!("{:?}", t.store.tables());

    assert!(matches!(t.retry(dead), Err(JobOperationError::Superseded)));

    assert_eq!(format!("{:?}", t.store.tables()), before);
}

#[test]
fn an_obsolete_delivery_is_superseded() {
    type Ends = fn(&Simulation, &Invitation);
    let ends: [Ends; 5] = [
        |t, old| drop(t.revoke(old.id).unwrap()),
        |t, _| drop(t.invited("ada")),
        |t, _| drop(t.add("ada", Role::Member).unwrap()),
        |t, old| drop(t.remove(old.user_id).unwrap()),
        |t, old| {
            t.remove(old.user_id).unwrap();
            t.work();
        },
    ];
    for end in ends {
        let t = Simulation::new();
        let old = t.ended("ada", InvitationStatus::Failed);
        let dead = t.job_id::<SendInvitation>();
        end(&t, &old);
        assert!(matches!(t.retry(dead), Err(JobOperationError::Superseded)));
    }
}

#[test]
fn cancelling_an_earlier_delivery_fails_nothing() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let first = t.job_id::<SendInvitation>();
    t.resend(ada.id).unwrap();

    t.cancel(first).unwrap();

    assert_eq!(t.again(&ada).status, InvitationStatus::Queued);
    t.work_for(secs(2));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
}

#[test]
fn an_expired_delivery_can_be_retried() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.cancel(t.job_id::<SendInvitation>()).unwrap();
    t.wait(hours(8 * 24));
    t.sweep();
    t.retry(t.job_id::<SendInvitation>()).unwrap();
    t.work();
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn dismissing_a_dead_delivery_keeps_the_failed_invitation() {
    let t = Simulation::new();
    let failed = t.ended("ada", InvitationStatus::Failed);
    let job = t.job_id::<SendInvitation>();

    t.dismiss(job).unwrap();
    t.work_for(hours(1));

    let current = Invitation { version: failed.version, ..t.again(&failed) };
    assert_eq!(current, failed, "not by an operator");
    assert_eq!(t.event_kinds(&failed), ["requested", "attempted", "failed"]);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Cancelled);
    assert!(t.jobs::<RevokeInvitation>().is_empty());
    t.retry(job).unwrap();
    t.work_for(secs(2));
    assert_eq!(t.again(&failed).status, InvitationStatus::Sent);
}
