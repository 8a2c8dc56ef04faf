//! Inviting: who can be invited, and what is written.

use guestlist_domain::flows::{InviteError, NewInvitation};
use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{Actor, InvitationStatus, ManageableRoles, Role, UserStatus};

use crate::support::{JobState, Simulation, days, metadata, mins, named, place, secs};

#[test]
fn an_invitation_is_queued_with_its_user_event_and_job() {
    let t = Simulation::new();

    let ada = t.invited("ada");

    assert_eq!((ada.status, ada.attempts, ada.delivery), (InvitationStatus::Queued, 0, 1));
    assert_eq!(ada.next_attempt_at, Some(t.now()));
    assert_eq!(ada.expires_at, t.now() + days(7));
    assert_eq!(t.again(&ada), ada, "what was answered is what was written");
    let user = t.expect_user("ada");
    assert_eq!((user.id, user.status), (ada.user_id, UserStatus::Invited));
    assert_eq!(t.event_kinds(&ada), ["requested"]);
    let job = t.job::<SendInvitation>();
    assert_eq!((job.state, job.run_at), (JobState::Ready, t.now()));
}

#[test]
fn an_invitation_stores_the_request() {
    let t = Simulation::new();
    let request = NewInvitation {
        name: named(" Ada Lovelace "),
        role: Role::Operator,
        metadata: metadata("team", "engines"),
        return_to: Some(place("/engines")),
        expires_in_minutes: Some(90),
        ..Simulation::invitation_of("ada")
    };

    let ada = t.invite_as(request).unwrap();

    assert_eq!((ada.name.clone(), ada.role), (named("Ada Lovelace"), Role::Operator));
    assert_eq!(ada.metadata, metadata("team", "engines"));
    assert_eq!(ada.return_to, Some(place("/engines")));
    assert_eq!(ada.expires_at, t.now() + mins(90));
    assert_eq!(ada.invited_by, Actor::Cli);
    let user = t.expect_user("ada");
    assert_eq!((user.name, user.role), (named("Ada Lovelace"), Role::Operator));
    assert!(user.metadata.is_empty(), "the metadata becomes the user's on acceptance");
}

#[test]
fn inviting_an_invited_address_returns_the_open_invitation() {
    let t = Simulation::new();
    let queued = t.invited("ada");
    assert!(
        matches!(t.invite("Ada@Example.com"), Err(InviteError::AlreadyInvited(id)) if id == queued.id)
    );

    t.work();
    assert!(matches!(t.invite("ada"), Err(InviteError::AlreadyInvited(id)) if id == queued.id));
    assert_eq!(t.invitations("ada").len(), 1);
}

#[test]
fn an_active_users_address_cannot_be_invited() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.add("bob", Role::Member).unwrap();

    assert!(matches!(t.invite("ada"), Err(InviteError::AlreadyMember { .. })));
    assert!(matches!(t.invite("bob"), Err(InviteError::AlreadyMember { .. })));
}

#[test]
fn a_suspended_users_address_cannot_be_invited() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.suspend("ada");

    assert!(matches!(t.invite("ada"), Err(InviteError::AlreadyMember { .. })));
}

#[test]
fn a_deleting_users_address_cannot_be_invited() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();

    assert!(matches!(t.invite("ada"), Err(InviteError::BeingRemoved)));
}

#[test]
fn a_new_invitation_after_an_ended_one_reuses_the_user() {
    for end in [InvitationStatus::Failed, InvitationStatus::Expired, InvitationStatus::Revoked] {
        let t = Simulation::new();
        let old = t.ended("ada", end);

        let new = t.invited("ada");
        t.work_for(secs(2));

        assert_ne!(new.id, old.id, "after {end}");
        assert_eq!(new.user_id, old.user_id, "after {end}");
        assert_eq!(t.again(&old), old, "what ended stays as it was");
        assert_eq!(t.again(&new).status, InvitationStatus::Sent, "after {end}");
        assert!(t.redeem(&t.link("ada")).is_ok(), "after {end}");
    }
}

#[test]
fn an_overdue_invitation_is_expired_before_the_sweep() {
    let t = Simulation::new();
    let old = t.sent("ada");
    t.wait(days(7));

    let new = t.invited("ada");

    assert_eq!(t.again(&old).status, InvitationStatus::Expired);
    assert_eq!(t.event_kinds(&old), ["requested", "attempted", "sent", "expired"]);
    assert_eq!(t.again(&new).status, InvitationStatus::Queued);
}

#[test]
fn an_invitation_is_open_until_it_expires() {
    let t = Simulation::new();
    let ada = t.sent("ada");

    t.wait(days(7).saturating_sub(std::time::Duration::from_micros(1)));

    assert!(matches!(t.invite("ada"), Err(InviteError::AlreadyInvited(id)) if id == ada.id));
}

#[test]
fn a_new_invitation_replaces_the_role_and_keeps_the_name() {
    let t = Simulation::new();
    let named_once = NewInvitation { name: named("Ada"), ..Simulation::invitation_of("ada") };
    let first = t.invite_as(named_once).unwrap();
    t.revoke(first.id).unwrap();

    t.invite_as(NewInvitation { role: Role::Admin, ..Simulation::invitation_of("ada") }).unwrap();

    let user = t.expect_user("ada");
    assert_eq!((user.name, user.role), (named("Ada"), Role::Admin));
    assert!(!t.expect_user("ada").is_active_admin(), "not before coming in");
}

#[test]
fn a_caller_limited_to_members_cannot_invite_a_user_with_a_higher_role() {
    let t = Simulation::new();
    let old = t
        .invite_as(NewInvitation { role: Role::Operator, ..Simulation::invitation_of("ada") })
        .unwrap();
    t.revoke(old.id).unwrap();
    let before = t.expect_user("ada");
    let name = named("Mallory");
    let refused = t.invite_as(NewInvitation {
        name,
        manageable: ManageableRoles::MemberOnly,
        ..Simulation::invitation_of("ada")
    });
    assert!(matches!(refused, Err(InviteError::Forbidden)), "{refused:?}");
    assert_eq!(t.expect_user("ada"), before);
    assert!(
        t.invite_as(NewInvitation {
            manageable: ManageableRoles::MemberOnly,
            ..Simulation::invitation_of("bob")
        })
        .is_ok()
    );
}
