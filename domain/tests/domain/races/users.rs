//! Concurrent additions, removals and key revocations.

use guestlist_domain::flows::{InviteError, create_key, revoke_key};
use guestlist_domain::{Actor, EndReason, InvitationStatus, Role, UserStatus};

use crate::support::{Simulation, block_on};

#[test]
fn of_two_concurrent_additions_one_succeeds() {
    let t = Simulation::new();
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.add("ada", Role::Operator).unwrap()));

    assert!(matches!(t.add("ada", Role::Admin), Err(InviteError::AlreadyMember { .. })));
    assert_eq!(t.expect_user("ada").role, Role::Operator);
}

#[test]
fn a_user_invited_concurrently_is_not_added() {
    let t = Simulation::new();
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.invited("ada")));
    assert!(matches!(t.add("ada", Role::Member), Err(InviteError::AlreadyInvited(_))));
    assert_eq!(t.status("ada"), Some(UserStatus::Invited));
}

#[test]
fn a_login_during_a_removal_is_ended() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let (other, link) = (t.clone(), t.link("ada"));
    t.store.run_before_next_apply(move || drop(other.redeem(&link).unwrap()));

    t.remove(ada.user_id).unwrap();

    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
    let user = t.expect_user("ada");
    assert_eq!(t.sessions(&user)[0].ended, Some((t.now(), EndReason::Removed)));
    t.work();
    assert_eq!(t.user("ada"), None);
}

#[test]
fn a_user_resent_during_a_removal_gets_no_mail() {
    let t = Simulation::new();
    let old = t.ended("ada", InvitationStatus::Failed);
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.invited("ada")));

    t.remove(old.user_id).unwrap();

    assert_eq!(t.invitations("ada")[0].status, InvitationStatus::Revoked);
    t.work();
    assert!(t.inbox("ada").is_empty());
    assert_eq!(t.user("ada"), None);
}

#[test]
fn two_concurrent_removals_succeed() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.remove(ada.id).unwrap()));

    assert_eq!(t.remove(ada.id).unwrap().status, UserStatus::Deleting);

    assert_eq!(t.event_kinds_of(&ada), ["session_started", "user_deleting", "session_ended"]);
    t.work();
    assert_eq!(t.user("ada"), None);
}

#[test]
fn two_concurrent_key_revocations_succeed() {
    let t = Simulation::new();
    let key = block_on(create_key(&t.ctx, "ci", &[], "glk_secret", &Actor::Cli)).unwrap();
    let other = t.clone();
    t.store.run_before_next_apply(move || {
        block_on(revoke_key(&other.ctx, key.id, &Actor::Cli)).unwrap();
    });

    block_on(revoke_key(&t.ctx, key.id, &Actor::Cli)).unwrap();

    let tables = t.store.tables();
    let kinds: Vec<_> = tables.events.values().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["key_created", "key_revoked"]);
}
