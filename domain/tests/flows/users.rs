//! People are added without a mail.

use guestlist_domain::flows::{AddUserError, NewInvitation, NewUser};
use guestlist_domain::{InvitationStatus, ManageableRoles, Metadata, Role, UserStatus};

use crate::support::{House, at, days, metadata, named};

#[test]
fn whoever_is_added_may_log_in_without_a_mail() {
    let t = House::new();
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
    assert_eq!(t.story_of(&ada), ["user_added"]);
    assert!(t.inbox("ada").is_empty());
    t.log_in("ada").unwrap();
    t.work();
    assert!(t.press(&t.link("ada")).is_ok());
}

#[test]
fn members_cannot_be_added_again() {
    let t = House::new();
    t.add("ada", Role::Member).unwrap();
    assert!(matches!(
        t.add("ADA@example.com", Role::Admin),
        Err(AddUserError::AlreadyMember { .. })
    ));
    t.suspend("ada");
    assert!(matches!(t.add("ada", Role::Admin), Err(AddUserError::AlreadyMember { .. })));
    assert_eq!(t.expect_user("ada").role, Role::Member);
}

#[test]
fn whoever_has_an_open_invitation_is_told_which() {
    let t = House::new();
    let queued = t.invited("ada");
    let sent = t.sent("bob");
    for (who, open) in [("ada", queued), ("bob", sent)] {
        let refused = t.add(who, Role::Member);
        assert!(matches!(refused, Err(AddUserError::AlreadyInvited(id)) if id == open.id));
        assert_eq!(t.status(who), Some(UserStatus::Invited));
    }
}

#[test]
fn whoever_is_on_the_way_out_cannot_be_added_yet() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.remove(ada.id).unwrap();
    assert!(matches!(t.add("ada", Role::Member), Err(AddUserError::BeingRemoved)));
}

#[test]
fn after_an_invitation_ended_its_person_can_be_added() {
    for end in [InvitationStatus::Failed, InvitationStatus::Expired, InvitationStatus::Revoked] {
        let t = House::new();
        let old = t.ended("ada", end);

        let ada = t.add("ada", Role::Member).unwrap();

        assert_eq!((ada.id, ada.status), (old.user_id, UserStatus::Active), "after {end}");
        t.log_in("ada").unwrap();
        t.work();
        assert!(t.press(&t.link("ada")).is_ok(), "after {end}");
        assert_eq!(t.again(&old).status, end, "what ended stays so");
    }
}

#[test]
fn a_caller_who_may_act_on_members_only_adds_nobody_who_was_invited_as_more() {
    let t = House::new();
    let old = t.invite_as(NewInvitation { role: Role::Admin, ..House::asking("ada") }).unwrap();
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
    assert!(matches!(refused, Err(AddUserError::Forbidden)), "{refused:?}");
    assert_eq!(t.expect_user("ada"), before);
    assert!(t.add_as(NewUser { email: at("bob"), ..request }).is_ok());
}

#[test]
fn an_overdue_invitation_is_in_nobodys_way() {
    let t = House::new();
    let old = t.sent("ada");
    t.wait(days(7));
    assert_eq!(t.add("ada", Role::Member).unwrap().status, UserStatus::Active);
    assert_eq!(t.again(&old).status, InvitationStatus::Expired);
}
