//! Changes between the authentication of a link and the login: the state at the end decides.

use guestlist_domain::flows::RedeemError;
use guestlist_domain::jobs::RevokeSession;
use guestlist_domain::{InvitationStatus, Role, UserStatus};

use crate::support::{Call, Link, Simulation, days, mins, secs};

/// Checks that nobody is logged in and that the session at the provider is revoked.
fn check_nobody_logged_in(t: &Simulation) {
    assert!(t.store.tables().sessions.is_empty());
    assert_eq!(t.link_state("ada"), Link::Used);
    t.work_for(mins(1));
    assert!(t.provider.state().sessions.iter().all(|session| session.is_revoked));
}

#[test]
fn an_invitation_revoked_during_the_login_is_refused() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.revoke(ada.id).unwrap()));

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::InvitationRevoked)), "{refused:?}");
    assert_eq!(t.status("ada"), Some(UserStatus::Invited));
    check_nobody_logged_in(&t);
}

#[test]
fn a_user_removed_during_the_login_is_refused() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.remove(ada.user_id).unwrap()));

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::NotInvited)), "{refused:?}");
    check_nobody_logged_in(&t);
    assert_eq!(t.user("ada"), None);
}

#[test]
fn a_user_suspended_right_before_the_write_is_refused() {
    let t = Simulation::new();
    t.add("ada", Role::Member).unwrap();
    t.log_in("ada").unwrap();
    t.work();
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.suspend("ada")));

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::AccountSuspended)), "{refused:?}");
    check_nobody_logged_in(&t);
}

#[test]
fn an_invitation_expired_during_the_login_is_refused() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.wait(days(7).saturating_sub(mins(2)));
    t.work();
    let other = t.clone();
    t.store.run_before_next_apply(move || {
        other.wait(mins(2));
        other.sweep();
    });

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::LinkExpired)), "{refused:?}");
    assert_eq!(t.again(&ada).status, InvitationStatus::Expired);
    check_nobody_logged_in(&t);
}

#[test]
fn an_invitation_resent_during_the_login_is_accepted_and_not_mailed_again() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.resend(ada.id).unwrap()));

    t.redeem(&t.link("ada")).unwrap();
    t.work();

    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
    assert_eq!(t.event_kinds(&ada)[3..], ["resent", "accepted"]);
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn an_invitation_sent_during_the_login_is_accepted() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    let other = t.clone();
    t.store.run_before_next_apply(move || {
        other.settle(&in_flight).unwrap();
    });

    t.redeem(&t.link("ada")).unwrap();

    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent", "accepted"]);
}

#[test]
fn a_promotion_during_the_login_is_kept() {
    let t = Simulation::new();
    let ada = t.add("ada", Role::Member).unwrap();
    t.log_in("ada").unwrap();
    t.work();
    let other = t.clone();
    t.store.run_before_next_apply(move || {
        let mut tables = other.store.tables();
        let user = tables.users.get_mut(&ada.id).unwrap();
        user.role = Role::Operator;
        user.version += 1;
    });

    assert_eq!(t.redeem(&t.link("ada")).unwrap().user.role, Role::Operator);
    assert_eq!(t.expect_user("ada").role, Role::Operator);
}

#[test]
fn two_links_of_one_user_can_be_redeemed_concurrently() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let first = t.link("ada");
    t.resend(ada.id).unwrap();
    t.work_for(secs(2));
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.redeem(&first).unwrap()));

    t.redeem(&t.link("ada")).unwrap();

    assert_eq!(t.sessions(&t.expect_user("ada")).len(), 2);
    let accepted = t.event_kinds(&ada).into_iter().filter(|kind| *kind == "accepted").count();
    assert_eq!(accepted, 1);
}

#[test]
fn a_conflict_during_the_login_does_not_repeat_the_authentication() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.visit(ada.id)));

    t.redeem(&t.link("ada")).unwrap();

    assert_eq!(t.provider.call_count(Call::Authenticate), 1);
    assert!(t.jobs::<RevokeSession>().is_empty());
}

#[test]
fn an_unrecorded_login_has_no_session_and_a_new_link_works() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.store.lose_next_applies(1);

    assert!(matches!(t.redeem(&t.link("ada")), Err(RedeemError::Store(_))));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);

    // The process with the result has stopped, and its claim expires.
    assert!(matches!(t.redeem(&t.link("ada")), Err(RedeemError::InProgress)));
    t.wait(secs(30));
    assert!(matches!(t.redeem(&t.link("ada")), Err(RedeemError::LinkExpired)));
    t.log_in("ada").unwrap();
    t.work_for(secs(3));
    assert!(t.redeem(&t.link("ada")).is_ok());
}
