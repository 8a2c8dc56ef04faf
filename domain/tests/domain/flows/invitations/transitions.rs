//! Every transition from every state.

use std::time::Duration;

use guestlist_domain::{DeliveryError, HeldBy, InvalidTransition, Invitation, InvitationStatus};
use jiff::Timestamp;

use crate::support::{Simulation, days, hours, secs};

type Step = fn(&mut Invitation, Timestamp) -> Result<(), InvalidTransition>;

fn error(at: Timestamp) -> DeliveryError {
    DeliveryError { code: "timeout".into(), message: "nothing came back".into(), at }
}

const STEPS: [(&str, Step); 8] = [
    ("sent", |one, now| one.mark_sent(1, now)),
    ("held", |one, now| one.hold(HeldBy::RateLimit, now)),
    ("attempt failed", |one, now| one.mark_attempt_failed(1, error(now), now)),
    ("failed", |one, now| one.mark_failed(1, error(now))),
    ("accepted", |one, now| one.mark_accepted(now)),
    ("expired", |one, now| one.mark_expired(now)),
    ("revoked", |one, _| one.mark_revoked()),
    ("resent", |one, now| one.requeue(now, now + hours(1))),
];

/// Returns the valid transitions, an hour after the request or an hour after the expiry.
fn ways_from(status: InvitationStatus, is_over: bool) -> Vec<&'static str> {
    let t = Simulation::new();
    let mut invitation = t.invited("ada");
    invitation.status = status;
    let now = t.now() + if is_over { days(7) } else { hours(1) };
    let can = |step: &Step| step(&mut invitation.clone(), now).is_ok();
    STEPS.iter().filter(|(_, step)| can(step)).map(|(name, _)| *name).collect()
}

#[test]
fn an_open_invitation_can_be_sent_accepted_revoked_and_resent() {
    use InvitationStatus::{Queued, Sent};
    let from_queued = ways_from(Queued, false);
    let every = ["sent", "held", "attempt failed", "failed", "accepted", "revoked", "resent"];
    assert_eq!(from_queued, every);
    assert_eq!(ways_from(Sent, false), ["accepted", "revoked", "resent"]);
}

#[test]
fn an_overdue_open_invitation_can_expire_and_cannot_be_accepted() {
    use InvitationStatus::{Queued, Sent};
    let late = ["sent", "held", "attempt failed", "failed", "expired", "revoked", "resent"];
    assert_eq!(ways_from(Queued, true), late, "a late answer is still an answer");
    assert_eq!(ways_from(Sent, true), ["expired", "revoked", "resent"]);
}

#[test]
fn a_failed_or_expired_invitation_can_be_revoked_and_resent() {
    for is_over in [false, true] {
        for status in [InvitationStatus::Failed, InvitationStatus::Expired] {
            assert_eq!(ways_from(status, is_over), ["revoked", "resent"]);
        }
    }
}

#[test]
fn an_accepted_or_revoked_invitation_is_final() {
    for is_over in [false, true] {
        for status in [InvitationStatus::Accepted, InvitationStatus::Revoked] {
            assert!(ways_from(status, is_over).is_empty());
        }
    }
}

#[test]
fn an_invalid_transition_changes_nothing() {
    let t = Simulation::new();
    let invitation = t.invited("ada");
    for status in InvitationStatus::ALL {
        for (name, step) in STEPS {
            let before = Invitation { status: *status, ..invitation.clone() };
            let mut after = before.clone();
            if step(&mut after, t.now()).is_err() {
                assert_eq!(after, before, "{name} from {status}");
            }
        }
    }
}

#[test]
fn an_invitation_can_be_accepted_before_its_expiry_and_not_at_it() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    assert!(ada.can_be_accepted(ada.expires_at - Duration::from_micros(1)));
    assert!(!ada.can_be_accepted(ada.expires_at));
}

#[test]
fn the_resend_cooldown_ends_exactly() {
    let t = Simulation::new();
    let mut ada = t.invited("ada");
    assert_eq!(ada.resend_wait(t.now()), None, "the first is free");
    ada.requeue(t.now(), t.now() + hours(1)).unwrap();
    assert_eq!(ada.resend_wait(t.now()), Some(secs(30)));
    assert_eq!(ada.resend_wait(t.now() + secs(29)), Some(secs(1)));
    assert_eq!(ada.resend_wait(t.now() + secs(30)), None);
}
