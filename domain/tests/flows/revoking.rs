//! An invitation is taken back: for ever, here and at Stytch.

use guestlist_domain::flows::{RevokeError, RevokeInvitation};
use guestlist_domain::{InvitationId, InvitationStatus};

use crate::support::{Call, Fault, Going, House, JobState, Link, errors, mins, secs};

#[test]
fn what_is_taken_back_lets_nobody_in() {
    let t = House::new();
    let ada = t.sent("ada");

    let revoked = t.revoke(ada.id).unwrap();

    assert_eq!(revoked.status, InvitationStatus::Revoked);
    assert_eq!(t.story(&ada), ["requested", "attempted", "sent", "revoked"]);
    assert!(t.press(&t.link("ada")).is_err());
}

#[test]
fn stytch_is_told_too() {
    let t = House::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    assert_eq!(t.link_state("ada"), Link::Outstanding);

    t.work();

    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn stytch_is_told_again_until_it_hears() {
    let t = House::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    t.stytch.refuses(Call::RevokeInvite, 2, &errors::internal());
    t.stytch.refuses(Call::RevokeInvite, 1, &errors::rate_limited(None));
    t.stytch.next(Call::RevokeInvite, Fault::AnswerLost);

    t.work_for(mins(5));

    assert_eq!(t.link_state("ada"), Link::Revoked);
    assert_eq!(t.job::<RevokeInvitation>().state, JobState::Done);
}

#[test]
fn every_state_but_acceptance_can_be_taken_back() {
    for end in [InvitationStatus::Failed, InvitationStatus::Expired] {
        let t = House::new();
        let ada = t.ended("ada", end);
        assert_eq!(t.revoke(ada.id).unwrap().status, InvitationStatus::Revoked, "after {end}");
    }
    let t = House::new();
    let queued = t.invited("ada");
    assert_eq!(t.revoke(queued.id).unwrap().status, InvitationStatus::Revoked);
}

#[test]
fn twice_is_as_good_as_once() {
    let t = House::new();
    let ada = t.ended("ada", InvitationStatus::Revoked);

    assert_eq!(t.revoke(ada.id).unwrap(), ada);

    assert_eq!(t.jobs::<RevokeInvitation>().len(), 1);
    assert_eq!(t.story(&ada), ["requested", "revoked"]);
}

#[test]
fn what_was_accepted_stays_so() {
    let t = House::new();
    let ada = t.sent("ada");
    t.press(&t.link("ada")).unwrap();

    assert!(matches!(t.revoke(ada.id), Err(RevokeError::Closed)));
    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
}

#[test]
fn an_unknown_invitation_is_not_found() {
    let t = House::new();
    let nobodys = InvitationId(t.ctx.ids.next());
    assert!(matches!(t.revoke(nobodys), Err(RevokeError::NotFound)));
}

#[test]
fn a_mail_that_was_on_its_way_dies_at_stytch_too() {
    let t = House::new();
    let ada = t.invited("ada");
    let in_flight = t.begin();
    t.revoke(ada.id).unwrap();

    t.settle(&in_flight).unwrap();
    t.work();

    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
    assert_eq!(t.link_state("ada"), Link::Revoked);
    assert_eq!(t.story(&ada), ["requested", "revoked", "attempted"]);
}

#[test]
fn a_mail_that_arrives_after_stytch_was_told_dies_all_the_same() {
    let t = House::new();
    let ada = t.invited("ada");
    let other = t.clone();
    t.stytch.while_on_its_way(Call::SendInvite, move || {
        other.revoke(ada.id).unwrap();
        other.work();
    });

    t.work();

    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn the_link_of_a_newer_invitation_is_left_alone() {
    let t = House::new();
    let old = t.sent("ada");
    t.stytch.refuses(Call::RevokeInvite, 1, &errors::internal());
    t.revoke(old.id).unwrap();
    t.work();
    t.wait(secs(1));
    t.sent("ada");

    t.work_for(mins(5));

    assert_eq!(t.link_state("ada"), Link::Outstanding);
    assert!(t.press(&t.link("ada")).is_ok());
}

#[test]
fn stytch_is_told_though_a_worker_overslept() {
    let t = House::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    let asleep = t.perform(t.claim().unwrap(), Going::LeaseRanOut);
    t.settle(&asleep).unwrap();
    t.work();
    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn a_mail_that_nobody_knows_of_dies_at_stytch_too() {
    for (fault, dies) in [(Some(Fault::AnswerLost), false), (None, true)] {
        let t = House::new();
        let ada = t.invited("ada");
        if let Some(fault) = fault {
            t.stytch.next(Call::SendInvite, fault);
        }
        let other = t.clone();
        t.stytch.while_on_its_way(Call::SendInvite, move || {
            other.revoke(ada.id).unwrap();
            other.work();
        });
        let in_flight = t.begin();
        if dies {
            t.rescue();
        } else {
            t.settle(&in_flight).unwrap();
        }

        t.work_for(mins(5));

        assert_eq!(t.link_state("ada"), Link::Revoked);
    }
}
