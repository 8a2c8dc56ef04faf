//! Stytch has vouched, and then things change: it is the state at the end that decides.

use guestlist_domain::flows::{RedeemError, RevokeSession};
use guestlist_domain::{InvitationStatus, Role, UserStatus};

use crate::support::{Call, House, Link, days, mins, secs};

/// Nobody is in, and what Stytch made of the press is undone.
fn nobody_is_in(t: &House) {
    assert!(t.store.tables().sessions.is_empty());
    assert_eq!(t.link_state("ada"), Link::Used);
    t.work_for(mins(1));
    assert!(t.stytch.knows().sessions.iter().all(|session| session.is_revoked));
}

#[test]
fn revoked_at_the_last_moment_nobody_comes_in() {
    let t = House::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::InvitationRevoked)), "{refused:?}");
    assert_eq!(t.status("ada"), Some(UserStatus::Invited));
    nobody_is_in(&t);
}

#[test]
fn removed_at_the_last_moment_nobody_comes_in() {
    let t = House::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.remove(ada.user_id).unwrap()));

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::NotInvited)), "{refused:?}");
    nobody_is_in(&t);
    assert_eq!(t.user("ada"), None);
}

#[test]
fn suspended_at_the_last_moment_nobody_comes_in() {
    let t = House::new();
    t.add("ada", Role::Member).unwrap();
    t.log_in("ada").unwrap();
    t.work();
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.suspend("ada")));

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::AccountSuspended)), "{refused:?}");
    nobody_is_in(&t);
}

#[test]
fn expired_at_the_last_moment_nobody_comes_in() {
    let t = House::new();
    let ada = t.invited("ada");
    t.wait(days(7).saturating_sub(mins(2)));
    t.work();
    let other = t.clone();
    t.store.before_next_apply(move || {
        other.wait(mins(2));
        other.sweep();
    });

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::LinkExpired)), "{refused:?}");
    assert_eq!(t.again(&ada).status, InvitationStatus::Expired);
    nobody_is_in(&t);
}

#[test]
fn resent_at_the_last_moment_the_person_is_in_and_gets_no_second_mail() {
    let t = House::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.resend(ada.id).unwrap()));

    t.press(&t.link("ada")).unwrap();
    t.work();

    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
    assert_eq!(t.story(&ada)[3..], ["resent", "accepted"]);
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn sent_at_the_last_moment_the_person_is_in_all_the_same() {
    let t = House::new();
    let ada = t.invited("ada");
    let in_flight = t.begin();
    let other = t.clone();
    t.store.before_next_apply(move || {
        other.settle(&in_flight).unwrap();
    });

    t.press(&t.link("ada")).unwrap();

    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
    assert_eq!(t.story(&ada), ["requested", "attempted", "sent", "accepted"]);
}

#[test]
fn promoted_at_the_last_moment_the_role_is_kept() {
    let t = House::new();
    let ada = t.add("ada", Role::Member).unwrap();
    t.log_in("ada").unwrap();
    t.work();
    let other = t.clone();
    t.store.before_next_apply(move || {
        let mut tables = other.store.tables();
        let user = tables.users.get_mut(&ada.id).unwrap();
        user.role = Role::Operator;
        user.version += 1;
    });

    assert_eq!(t.press(&t.link("ada")).unwrap().user.role, Role::Operator);
    assert_eq!(t.expect_user("ada").role, Role::Operator);
}

#[test]
fn two_links_of_one_person_pressed_at_once_both_let_in() {
    let t = House::new();
    let ada = t.sent("ada");
    let first = t.link("ada");
    t.resend(ada.id).unwrap();
    t.work_for(secs(2));
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.press(&first).unwrap()));

    t.press(&t.link("ada")).unwrap();

    assert_eq!(t.sessions(&t.expect_user("ada")).len(), 2);
    let accepted = t.story(&ada).into_iter().filter(|kind| *kind == "accepted").count();
    assert_eq!(accepted, 1);
}

#[test]
fn a_press_that_decides_again_asks_stytch_once() {
    let t = House::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.before_next_apply(move || drop(other.visit(ada.id)));

    t.press(&t.link("ada")).unwrap();

    assert_eq!(t.stytch.was_asked(Call::Authenticate), 1);
    assert!(t.jobs::<RevokeSession>().is_empty());
}

#[test]
fn a_login_that_was_never_recorded_lets_nobody_in_and_a_new_link_does() {
    let t = House::new();
    let ada = t.sent("ada");
    t.store.lose_next_applies(1);

    assert!(matches!(t.press(&t.link("ada")), Err(RedeemError::Store(_))));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);

    // The process that had the result has ended, and its claim ends by itself.
    assert!(matches!(t.press(&t.link("ada")), Err(RedeemError::InProgress)));
    t.wait(secs(30));
    assert!(matches!(t.press(&t.link("ada")), Err(RedeemError::LinkExpired)));
    t.log_in("ada").unwrap();
    t.work_for(secs(3));
    assert!(t.press(&t.link("ada")).is_ok());
}
