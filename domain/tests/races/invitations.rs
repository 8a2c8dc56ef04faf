//! Inviting, resending, revoking and visiting, each overtaken by somebody else.

use guestlist_domain::flows::{InviteError, ResendError, RevokeError, RevokeInvitation};
use guestlist_domain::{InvitationStatus, Role};

use crate::support::{House, days, secs};

#[test]
fn of_two_who_invite_the_same_stranger_one_does() {
    let t = House::new();
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.invited("ada")));

    let refused = t.invite("ada");

    let [theirs] = &t.invitations("ada")[..] else { panic!("one invitation") };
    assert!(matches!(refused, Err(InviteError::AlreadyInvited(id)) if id == theirs.id));
    t.work();
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn of_two_who_invite_somebody_again_one_does() {
    for end in [InvitationStatus::Failed, InvitationStatus::Revoked] {
        let t = House::new();
        t.ended("ada", end);
        let other = t.clone();
        t.store.before_next_apply(move || drop(other.invited("ada")));

        let refused = t.invite("ada");

        let newest = &t.invitations("ada")[0];
        assert!(matches!(refused, Err(InviteError::AlreadyInvited(id)) if id == newest.id));
        assert_eq!(t.invitations("ada").len(), 2, "after {end}");
    }
}

#[test]
fn of_two_who_invite_somebody_overdue_one_does() {
    let t = House::new();
    let old = t.sent("ada");
    t.wait(days(7));
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.invited("ada")));

    assert!(matches!(t.invite("ada"), Err(InviteError::AlreadyInvited(_))));
    assert_eq!(t.story(&old)[3..], ["expired"], "once");
}

#[test]
fn an_overdue_invitation_that_was_resent_meanwhile_is_open() {
    let t = House::new();
    let old = t.sent("ada");
    t.wait(days(7));
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.resend(old.id).unwrap()));

    assert!(matches!(t.invite("ada"), Err(InviteError::AlreadyInvited(id)) if id == old.id));
    assert_eq!(t.story(&old)[3..], ["resent"]);
}

#[test]
fn whoever_was_added_meanwhile_is_not_invited() {
    let t = House::new();
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.add("ada", Role::Member).unwrap()));
    assert!(matches!(t.invite("ada"), Err(InviteError::AlreadyMember { .. })));
    assert!(t.invitations("ada").is_empty());
}

#[test]
fn whoever_is_removed_meanwhile_is_not_invited() {
    let t = House::new();
    let old = t.ended("ada", InvitationStatus::Failed);
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.remove(old.user_id).unwrap()));
    assert!(matches!(t.invite("ada"), Err(InviteError::BeingRemoved)));
}

#[test]
fn what_was_revoked_meanwhile_is_not_resent() {
    let t = House::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

    assert!(matches!(t.resend(ada.id), Err(ResendError::Closed)));
    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
}

#[test]
fn what_was_accepted_meanwhile_is_neither_resent_nor_revoked() {
    for resends in [true, false] {
        let t = House::new();
        let ada = t.sent("ada");
        let (other, link) = (t.clone(), t.link("ada"));
        t.store.before_next_apply(move || drop(other.press(&link).unwrap()));

        if resends {
            assert!(matches!(t.resend(ada.id), Err(ResendError::Closed)));
        } else {
            assert!(matches!(t.revoke(ada.id), Err(RevokeError::Closed)));
        }

        assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
        assert_eq!(t.story(&ada)[3..], ["accepted"]);
    }
}

#[test]
fn of_two_who_resend_one_is_too_soon() {
    let t = House::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.resend(ada.id).unwrap()));

    assert!(matches!(t.resend(ada.id), Err(ResendError::TooSoon(_))));
    t.work_for(secs(2));
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn of_two_who_revoke_both_are_right_and_stytch_is_told_once() {
    let t = House::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

    assert_eq!(t.revoke(ada.id).unwrap().status, InvitationStatus::Revoked);

    assert_eq!(t.jobs::<RevokeInvitation>().len(), 1);
    assert_eq!(t.story(&ada)[3..], ["revoked"]);
}

#[test]
fn what_was_sent_meanwhile_is_revoked_all_the_same() {
    let t = House::new();
    let ada = t.invited("ada");
    let other = t.clone();
    t.store.before_next_apply(move || other.work());

    assert_eq!(t.revoke(ada.id).unwrap().status, InvitationStatus::Revoked);
    assert_eq!(t.story(&ada), ["requested", "attempted", "sent", "revoked"]);
}

#[test]
fn what_was_revoked_meanwhile_is_not_visited() {
    let t = House::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

    assert_eq!(t.visit(ada.id).unwrap().status, InvitationStatus::Revoked);
    assert_eq!(t.story(&ada)[3..], ["revoked"]);
}

#[test]
fn of_two_first_visits_one_is_noted() {
    let t = House::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.visit(ada.id)));
    t.visit(ada.id);
    assert_eq!(t.story(&ada)[3..], ["visited"]);
}

#[test]
fn whoever_is_added_or_removed_as_their_invitation_is_resent_is_not_mailed() {
    for adds in [true, false] {
        let t = House::new();
        let ada = t.ended("ada", InvitationStatus::Failed);
        let other = t.clone();
        t.store.before_next_apply(move || {
            if adds {
                other.add("ada", Role::Member).unwrap();
            } else {
                other.remove(ada.user_id).unwrap();
            }
        });

        assert!(matches!(t.resend(ada.id), Err(ResendError::Closed)));

        t.work();
        assert!(t.inbox("ada").is_empty());
    }
}
