//! At least one active administrator remains.

use guestlist_domain::flows::UserError;
use guestlist_domain::{GuardName, ReadUsers, Role, UserStatus};

use crate::support::{Simulation, block_on};

#[test]
fn the_last_active_administrator_cannot_be_removed() {
    let t = Simulation::new();
    let root = t.admin("root");

    assert!(matches!(t.remove(root.user.id), Err(UserError::LastAdmin)));

    assert_eq!(t.status("root"), Some(UserStatus::Active));
    assert!(t.return_with(&root.tokens).is_ok());
}

#[test]
fn inactive_administrators_do_not_count() {
    let t = Simulation::new();
    let root = t.admin("root");
    t.admin("suspended");
    t.suspend("suspended");
    t.invite_as(guestlist_domain::flows::NewInvitation {
        role: Role::Admin,
        ..Simulation::invitation_of("invited")
    })
    .unwrap();

    assert!(matches!(t.remove(root.user.id), Err(UserError::LastAdmin)));
    let suspended = t.expect_user("suspended");
    assert!(t.remove(suspended.id).is_ok(), "one who cannot act can go");
}

#[test]
fn one_of_two_administrators_can_be_removed() {
    let t = Simulation::new();
    let first = t.admin("first").user;
    let second = t.admin("second").user;

    t.remove(first.id).unwrap();

    assert!(matches!(t.remove(second.id), Err(UserError::LastAdmin)));
    t.work();
    assert_eq!(t.user("first"), None);
    assert_eq!(block_on(t.store.guard(GuardName::ActiveAdmins)).unwrap(), 1);
}

#[test]
fn two_administrators_cannot_remove_each_other() {
    let t = Simulation::new();
    let first = t.admin("first").user;
    let second = t.admin("second").user;
    let other = t.clone();
    t.store.run_before_next_apply(move || {
        other.remove(first.id).unwrap();
    });

    let refused = t.remove(second.id);

    assert!(matches!(refused, Err(UserError::LastAdmin)), "{refused:?}");
    assert_eq!(t.status("second"), Some(UserStatus::Active));
    assert_eq!(block_on(t.store.count_active_admins()).unwrap(), 1);
}

#[test]
fn removing_a_member_does_not_increment_the_guard() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    assert_eq!(block_on(t.store.guard(GuardName::ActiveAdmins)).unwrap(), 0);
}
