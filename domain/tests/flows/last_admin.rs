//! Somebody must be left to administer.

use guestlist_domain::flows::RemoveUserError;
use guestlist_domain::{GuardName, ReadUsers, Role, UserStatus};

use crate::support::{House, at_once};

#[test]
fn the_last_active_administrator_stays() {
    let t = House::new();
    let root = t.admin("root");

    assert!(matches!(t.remove(root.user.id), Err(RemoveUserError::LastAdmin)));

    assert_eq!(t.status("root"), Some(UserStatus::Active));
    assert!(t.comes_back(&root.tokens).is_ok());
}

#[test]
fn administrators_who_cannot_act_do_not_count() {
    let t = House::new();
    let root = t.admin("root");
    t.admin("suspended");
    t.suspend("suspended");
    t.invite_as(guestlist_domain::flows::NewInvitation {
        role: Role::Admin,
        ..House::asking("invited")
    })
    .unwrap();

    assert!(matches!(t.remove(root.user.id), Err(RemoveUserError::LastAdmin)));
    let suspended = t.expect_user("suspended");
    assert!(t.remove(suspended.id).is_ok(), "one who cannot act can go");
}

#[test]
fn of_two_administrators_one_can_go() {
    let t = House::new();
    let first = t.admin("first").user;
    let second = t.admin("second").user;

    t.remove(first.id).unwrap();

    assert!(matches!(t.remove(second.id), Err(RemoveUserError::LastAdmin)));
    t.work();
    assert_eq!(t.user("first"), None);
    assert_eq!(at_once(t.store.guard(GuardName::ActiveAdmins)).unwrap(), 1);
}

#[test]
fn of_two_administrators_who_remove_each_other_at_once_one_stays() {
    let t = House::new();
    let first = t.admin("first").user;
    let second = t.admin("second").user;
    let other = t.clone();
    t.store.before_next_apply(move || {
        other.remove(first.id).unwrap();
    });

    let refused = t.remove(second.id);

    assert!(matches!(refused, Err(RemoveUserError::LastAdmin)), "{refused:?}");
    assert_eq!(t.status("second"), Some(UserStatus::Active));
    assert_eq!(at_once(t.store.count_active_admins()).unwrap(), 1);
}

#[test]
fn members_go_without_raising_the_guard() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.remove(ada.id).unwrap();
    assert_eq!(at_once(t.store.guard(GuardName::ActiveAdmins)).unwrap(), 0);
}
