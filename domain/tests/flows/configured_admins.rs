//! Administrators by configuration: in without an invitation, and administrators whatever it says.

use guestlist_domain::flows::NewInvitation;
use guestlist_domain::{InvitationStatus, Metadata, Role, UserStatus};

use crate::support::{House, at, days, metadata, secs};

#[test]
fn a_configured_administrator_needs_no_invitation() {
    let t = House::under(|policy| policy.admin_emails = vec![at("root")]);
    t.log_in("root").unwrap();
    t.work();

    let root = t.press(&t.link("root")).unwrap().user;

    assert_eq!((root.role, root.status), (Role::Admin, UserStatus::Active));
    assert_eq!(t.expect_user("root").id, root.id);
    t.log_in("root").unwrap();
    t.work_for(secs(2));
    assert_eq!(t.press(&t.link("root")).unwrap().user.id, root.id, "once made, the same");
}

#[test]
fn a_configured_administrator_accepts_an_open_invitation_all_the_same() {
    let t = House::under(|policy| policy.admin_emails = vec![at("root")]);
    let request = NewInvitation { metadata: metadata("team", "ops"), ..House::asking("root") };
    let invitation = t.invite_as(request).unwrap();
    t.work();

    let root = t.press(&t.link("root")).unwrap().user;

    assert_eq!((root.role, root.metadata), (Role::Admin, metadata("team", "ops")));
    assert_eq!(t.again(&invitation).status, InvitationStatus::Accepted);
}

#[test]
fn a_configured_administrator_comes_in_whatever_became_of_their_invitation() {
    let t = House::under(|policy| policy.admin_emails = vec![at("root")]);
    let invitation = t.ended("root", InvitationStatus::Revoked);
    t.log_in("root").unwrap();
    t.work();

    let root = t.press(&t.link("root")).unwrap().user;

    assert_eq!((root.role, root.metadata), (Role::Admin, Metadata::default()));
    assert_eq!(t.again(&invitation).status, InvitationStatus::Revoked);
}

#[test]
fn a_configured_administrator_leaves_no_overdue_invitation_open() {
    let t = House::under(|policy| policy.admin_emails = vec![at("root")]);
    let old = t.sent("root");
    t.wait(days(7));
    t.log_in("root").unwrap();
    t.work();
    t.press(&t.link("root")).unwrap();
    assert_eq!(t.again(&old).status, InvitationStatus::Expired);
}

#[test]
fn whoever_is_configured_later_becomes_one_by_coming_in() {
    let t = House::under(|policy| policy.admin_emails = vec![at("root")]);
    let member = t.add("root", Role::Member).unwrap();
    t.log_in("root").unwrap();
    t.work();

    let root = t.press(&t.link("root")).unwrap().user;

    assert_eq!((root.id, root.role), (member.id, Role::Admin));
    assert_eq!(t.expect_user("root").role, Role::Admin);
    assert_eq!(t.story_of(&root), ["user_added", "role_changed", "session_started"]);
}
