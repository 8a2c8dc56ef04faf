//! Adding users without a mail.

use guestlist_domain::flows::{InviteError, NewInvitation, NewUser};
use guestlist_domain::{InvitationStatus, ManageableRoles, Metadata, Role, UserStatus};

use crate::support::{Simulation, at, days, metadata, named};

#[test]
fn an_added_user_can_log_in_without_an_invitation() {
    let t = Simulation::new();
    let request = NewUser {
        email: at("ada"),
        name: named("Ada"),
        role: Role::Operator,
        metadata: metadata("team", "engines"),
        manageable: ManageableRoles::All,
    };

    let ada = t.add_as(request).unwrap();
    t.work();

    assert_eq!(t.expect_user("ada"), ada);
    assert_eq!((ada.status, ada.role), (UserStatus::Active, Role::Operator));
    assert_eq!(
        (ada.name.clone(), ada.metadata.clone()),
        (named("Ada"), metadata("team", "engines"))
    );
    assert_eq!(t.event_kinds_of(&ada), ["user_added"]);
    assert!(t.inbox("ada").is_empty());
    t.log_in("ada").unwrap();
    t.work();
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn members_cannot_be_added_again() {
    let t = Simulation::new();
    t.add("ada", Role::Member).unwrap();
    assert!(matches!(
        t.add("ADA@example.com", Role::Admin),
        Err(InviteError::AlreadyMember { .. })
    ));
    t.suspend("ada");
    assert!(matches!(t.add("ada", Role::Admin), Err(InviteError::AlreadyMember { .. })));
    assert_eq!(t.expect_user("ada").role, Role::Member);
}

#[test]
fn adding_an_invited_address_returns_the_open_invitation() {
    let t = Simulation::new();
    let queued = t.invited("ada");
    let sent = t.sent("bob");
    for (name, open) in [("ada", queued), ("bob", sent)] {
        let refused = t.add(name, Role::Member);
        assert!(matches!(refused, Err(InviteError::AlreadyInvited(id)) if id == open.id));
        assert_eq!(t.status(name), Some(UserStatus::Invited));
    }
}

#[test]
fn a_deleting_user_cannot_be_added() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    assert!(matches!(t.add("ada", Role::Member), Err(InviteError::BeingRemoved)));
}

#[test]
fn an_invitee_can_be_added_after_the_invitation_ended() {
    for end in [InvitationStatus::Failed, InvitationStatus::Expired, InvitationStatus::Revoked] {
        let t = Simulation::new();
        let old = t.ended("ada", end);

        let ada = t.add("ada", Role::Member).unwrap();

        assert_eq!((ada.id, ada.status), (old.user_id, UserStatus::Active), "after {end}");
        t.log_in("ada").unwrap();
        t.work();
        assert!(t.redeem(&t.link("ada")).is_ok(), "after {end}");
        assert_eq!(t.again(&old).status, end, "what ended stays so");
    }
}

#[test]
fn a_caller_limited_to_members_cannot_add_a_user_with_a_higher_role() {
    let t = Simulation::new();
    let old = t
        .invite_as(NewInvitation { role: Role::Admin, ..Simulation::invitation_of("ada") })
        .unwrap();
    t.revoke(old.id).unwrap();
    let before = t.expect_user("ada");
    let request = NewUser {
        email: at("ada"),
        name: named("Mallory"),
        role: Role::Member,
        metadata: Metadata::default(),
        manageable: ManageableRoles::MemberOnly,
    };
    let refused = t.add_as(request.clone());
    assert!(matches!(refused, Err(InviteError::Forbidden)), "{refused:?}");
    assert_eq!(t.expect_user("ada"), before);
    assert!(t.add_as(NewUser { email: at("bob"), ..request }).is_ok());
}

#[test]
fn an_overdue_invitation_does_not_prevent_adding() {
    let t = Simulation::new();
    let old = t.sent("ada");
    t.wait(days(7));
    assert_eq!(t.add("ada", Role::Member).unwrap().status, UserStatus::Active);
    assert_eq!(t.again(&old).status, InvitationStatus::Expired);
}
