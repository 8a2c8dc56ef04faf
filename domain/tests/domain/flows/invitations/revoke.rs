//! Revoking an invitation, here and at the provider.

use guestlist_domain::flows::InvitationError;
use guestlist_domain::jobs::RevokeInvitation;
use guestlist_domain::{InvitationId, InvitationStatus};

use crate::support::{Call, Fault, Interruption, JobState, Link, Simulation, errors, mins, secs};

#[test]
fn a_revoked_invitations_link_is_refused() {
    let t = Simulation::new();
    let ada = t.sent("ada");

    let revoked = t.revoke(ada.id).unwrap();

    assert_eq!(revoked.status, InvitationStatus::Revoked);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent", "revoked"]);
    assert!(t.redeem(&t.link("ada")).is_err());
}

#[test]
fn a_revocation_is_sent_to_the_provider() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    assert_eq!(t.link_state("ada"), Link::Outstanding);

    t.work();

    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn a_revocation_is_retried_until_the_provider_succeeds() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    t.provider.refuses(Call::RevokeInvite, 2, &errors::internal());
    t.provider.refuses(Call::RevokeInvite, 1, &errors::rate_limited(None));
    t.provider.next(Call::RevokeInvite, Fault::AnswerLost);

    t.work_for(mins(5));

    assert_eq!(t.link_state("ada"), Link::Revoked);
    assert_eq!(t.job::<RevokeInvitation>().state, JobState::Done);
}

#[test]
fn every_invitation_but_an_accepted_one_can_be_revoked() {
    for end in [InvitationStatus::Failed, InvitationStatus::Expired] {
        let t = Simulation::new();
        let ada = t.ended("ada", end);
        assert_eq!(t.revoke(ada.id).unwrap().status, InvitationStatus::Revoked, "after {end}");
    }
    let t = Simulation::new();
    let queued = t.invited("ada");
    assert_eq!(t.revoke(queued.id).unwrap().status, InvitationStatus::Revoked);
}

#[test]
fn revoking_twice_has_no_further_effect() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Revoked);

    assert_eq!(t.revoke(ada.id).unwrap(), ada);

    assert_eq!(t.jobs::<RevokeInvitation>().len(), 1);
    assert_eq!(t.event_kinds(&ada), ["requested", "revoked"]);
}

#[test]
fn an_accepted_invitation_cannot_be_revoked() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.redeem(&t.link("ada")).unwrap();

    assert!(matches!(t.revoke(ada.id), Err(InvitationError::Closed)));
    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
}

#[test]
fn an_unknown_invitation_is_not_found() {
    let t = Simulation::new();
    let unknown = InvitationId(t.ctx.ids.next());
    assert!(matches!(t.revoke(unknown), Err(InvitationError::NotFound)));
}

#[test]
fn the_link_of_a_mail_in_flight_is_revoked_too() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    t.revoke(ada.id).unwrap();

    t.settle(&in_flight).unwrap();
    t.work();

    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
    assert_eq!(t.link_state("ada"), Link::Revoked);
    assert_eq!(t.event_kinds(&ada), ["requested", "revoked", "attempted"]);
}

#[test]
fn a_link_sent_after_the_revocation_is_revoked_too() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let other = t.clone();
    t.provider.before_effect(Call::SendInvite, move || {
        other.revoke(ada.id).unwrap();
        other.work();
    });

    t.work();

    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn a_revocation_keeps_the_link_of_a_newer_invitation() {
    let t = Simulation::new();
    let old = t.sent("ada");
    t.provider.refuses(Call::RevokeInvite, 1, &errors::internal());
    t.revoke(old.id).unwrap();
    t.work();
    t.wait(secs(1));
    t.sent("ada");

    t.work_for(mins(5));

    assert_eq!(t.link_state("ada"), Link::Outstanding);
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn a_revocation_is_sent_after_its_worker_lost_the_lease() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    let asleep = t.perform(t.claim().unwrap(), Interruption::LeaseRanOut);
    t.settle(&asleep).unwrap();
    t.work();
    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn the_link_of_an_unrecorded_mail_is_revoked_too() {
    for (fault, dies) in [(Some(Fault::AnswerLost), false), (None, true)] {
        let t = Simulation::new();
        let ada = t.invited("ada");
        if let Some(fault) = fault {
            t.provider.next(Call::SendInvite, fault);
        }
        let other = t.clone();
        t.provider.before_effect(Call::SendInvite, move || {
            other.revoke(ada.id).unwrap();
            other.work();
        });
        let in_flight = t.perform_next();
        if dies {
            t.rescue();
        } else {
            t.settle(&in_flight).unwrap();
        }

        t.work_for(mins(5));

        assert_eq!(t.link_state("ada"), Link::Revoked);
    }
}
