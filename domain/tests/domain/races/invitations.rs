//! Concurrent inviting, resending, revoking and visiting.

use guestlist_domain::flows::{InvitationError, InviteError};
use guestlist_domain::jobs::RevokeInvitation;
use guestlist_domain::{InvitationStatus, Role};

use crate::support::{Simulation, days, secs};

#[test]
fn of_two_concurrent_invitations_of_a_new_address_one_succeeds() {
    let t = Simulation::new();
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.invited("ada")));

    let refused = t.invite("ada");

    let [theirs] = &t.invitations("ada")[..] else { panic!("one invitation") };
    assert!(matches!(refused, Err(InviteError::AlreadyInvited(id)) if id == theirs.id));
    t.work();
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn of_two_concurrent_new_invitations_of_a_known_address_one_succeeds() {
    for end in [InvitationStatus::Failed, InvitationStatus::Revoked] {
        let t = Simulation::new();
        t.ended("ada", end);
        let other = t.clone();
        t.store.run_before_next_apply(move || drop(other.invited("ada")));

        let refused = t.invite("ada");

        let newest = &t.invitations("ada")[0];
        assert!(matches!(refused, Err(InviteError::AlreadyInvited(id)) if id == newest.id));
        assert_eq!(t.invitations("ada").len(), 2, "after {end}");
    }
}

#[test]
fn of_two_concurrent_invitations_of_an_overdue_address_one_succeeds() {
    let t = Simulation::new();
    let old = t.sent("ada");
    t.wait(days(7));
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.invited("ada")));

    assert!(matches!(t.invite("ada"), Err(InviteError::AlreadyInvited(_))));
    assert_eq!(t.event_kinds(&old)[3..], ["expired"], "once");
}

#[test]
fn an_overdue_invitation_resent_concurrently_is_open() {
    let t = Simulation::new();
    let old = t.sent("ada");
    t.wait(days(7));
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.resend(old.id).unwrap()));

    assert!(matches!(t.invite("ada"), Err(InviteError::AlreadyInvited(id)) if id == old.id));
    assert_eq!(t.event_kinds(&old)[3..], ["resent"]);
}

#[test]
fn a_user_added_concurrently_is_not_invited() {
    let t = Simulation::new();
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.add("ada", Role::Member).unwrap()));
    assert!(matches!(t.invite("ada"), Err(InviteError::AlreadyMember { .. })));
    assert!(t.invitations("ada").is_empty());
}

#[test]
fn a_user_removed_concurrently_is_not_invited() {
    let t = Simulation::new();
    let old = t.ended("ada", InvitationStatus::Failed);
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.remove(old.user_id).unwrap()));
    assert!(matches!(t.invite("ada"), Err(InviteError::BeingRemoved)));
}

#[test]
fn an_invitation_revoked_concurrently_is_not_resent() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

    assert!(matches!(t.resend(ada.id), Err(InvitationError::Closed)));
    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
}

#[test]
fn an_invitation_accepted_concurrently_is_neither_resent_nor_revoked() {
    for resends in [true, false] {
        let t = Simulation::new();
        let ada = t.sent("ada");
        let (other, link) = (t.clone(), t.link("ada"));
        t.store.run_before_next_apply(move || drop(other.redeem(&link).unwrap()));

        if resends {
            assert!(matches!(t.resend(ada.id), Err(InvitationError::Closed)));
        } else {
            assert!(matches!(t.revoke(ada.id), Err(InvitationError::Closed)));
        }

        assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
        assert_eq!(t.event_kinds(&ada)[3..], ["accepted"]);
    }
}

#[test]
fn of_two_concurrent_resends_one_is_too_soon() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.resend(ada.id).unwrap()));

    assert!(matches!(t.resend(ada.id), Err(InvitationError::TooSoon(_))));
    t.work_for(secs(2));
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn two_concurrent_revocations_succeed_with_one_provider_call() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

    assert_eq!(t.revoke(ada.id).unwrap().status, InvitationStatus::Revoked);

    assert_eq!(t.jobs::<RevokeInvitation>().len(), 1);
    assert_eq!(t.event_kinds(&ada)[3..], ["revoked"]);
}

#[test]
fn an_invitation_sent_concurrently_is_revoked() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || other.work());

    assert_eq!(t.revoke(ada.id).unwrap().status, InvitationStatus::Revoked);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent", "revoked"]);
}

#[test]
fn an_invitation_revoked_concurrently_records_no_visit() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

    assert_eq!(t.visit(ada.id).unwrap().status, InvitationStatus::Revoked);
    assert_eq!(t.event_kinds(&ada)[3..], ["revoked"]);
}

#[test]
fn of_two_concurrent_first_visits_one_is_recorded() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.visit(ada.id)));
    t.visit(ada.id);
    assert_eq!(t.event_kinds(&ada)[3..], ["visited"]);
}

#[test]
fn of_two_concurrent_visits_by_browsers_one_is_recorded() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.visit(ada.id);
    t.wait(secs(60));
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.visit(ada.id)));
    t.visit(ada.id);
    assert_eq!(t.event_kinds(&ada)[3..], ["visited", "visited"]);
}

#[test]
fn a_user_added_or_removed_during_a_resend_gets_no_mail() {
    for adds in [true, false] {
        let t = Simulation::new();
        let ada = t.ended("ada", InvitationStatus::Failed);
        let other = t.clone();
        t.store.run_before_next_apply(move || {
            if adds {
                other.add("ada", Role::Member).unwrap();
            } else {
                other.remove(ada.user_id).unwrap();
            }
        });

        assert!(matches!(t.resend(ada.id), Err(InvitationError::Closed)));

        t.work();
        assert!(t.inbox("ada").is_empty());
    }
}
