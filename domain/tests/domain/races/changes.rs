//! Changes and suspensions of users that run into other changes.

use guestlist_domain::flows::{
    InvitationError, RedeemError, RedeemLink, UserChange, UserError, end_all_sessions, remove_user,
    resend, revoke,
};
use guestlist_domain::jobs::RevokeSession;
use guestlist_domain::{Actor, ManageableRoles, ReadUsers, Role, UserId, UserStatus};

use crate::support::{Simulation, block_on, named, secs};

#[test]
fn two_administrators_cannot_demote_each_other() {
    let t = Simulation::new();
    let first = t.admin("first").user;
    let second = t.admin("second").user;
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.give_role(first.id, Role::Member).unwrap()));

    let refused = t.give_role(second.id, Role::Member);

    assert!(matches!(refused, Err(UserError::LastAdmin)), "{refused:?}");
    assert_eq!(t.expect_user("first").role, Role::Member);
    assert_eq!(block_on(t.store.count_active_admins()).unwrap(), 1);
}

#[test]
fn the_last_administrator_cannot_be_suspended_while_another_is_removed() {
    let t = Simulation::new();
    let first = t.admin("first").user;
    let second = t.admin("second").user;
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.remove(first.id).unwrap()));

    let refused = t.try_suspend(second.id, true);

    assert!(matches!(refused, Err(UserError::LastAdmin)), "{refused:?}");
    assert_eq!(t.status("second"), Some(UserStatus::Active));
}

#[test]
fn a_login_during_a_suspension_is_ended() {
    let t = Simulation::new();
    let first = t.logged_in("ada");
    t.log_in("ada").unwrap();
    t.work_for(secs(2));
    let (other, link) = (t.clone(), t.link("ada"));
    t.store.run_before_next_apply(move || drop(other.redeem(&link).unwrap()));

    t.suspend("ada");

    assert_eq!(t.sessions(&first.user).len(), 2);
    assert!(t.sessions(&first.user).iter().all(|session| session.ended.is_some()));
    assert_eq!(t.jobs::<RevokeSession>().len(), 2, "Stytch is recorded of both");
    let story = t.event_kinds_of(&first.user);
    assert_eq!(story.iter().filter(|kind| **kind == "session_ended").count(), 2);
}

#[test]
fn a_user_suspended_during_the_login_is_refused() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.log_in("ada").unwrap();
    t.work_for(secs(2));
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.suspend("ada")));

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::AccountSuspended)), "{refused:?}");
    t.work_for(secs(60));
    assert!(t.provider.state().sessions.iter().all(|session| session.is_revoked));
}

#[test]
fn two_concurrent_changes_of_a_user_are_both_applied() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    let other = t.clone();
    let name = UserChange { name: Some(named("Ada")), ..UserChange::default() };
    t.store.run_before_next_apply(move || drop(other.change(ada.id, &name).unwrap()));

    t.give_role(ada.id, Role::Operator).unwrap();

    let user = t.expect_user("ada");
    assert_eq!((user.name, user.role), (named("Ada"), Role::Operator));
}

#[test]
fn two_concurrent_suspensions_are_recorded_once() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.suspend("ada")));

    t.suspend("ada");

    assert_eq!(t.event_kinds_of(&ada), ["session_started", "user_suspended", "session_ended"]);
}

#[test]
fn an_invitation_resent_during_a_change_has_the_new_values() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let other = t.clone();
    t.wait(secs(60));
    t.store.run_before_next_apply(move || drop(other.resend(ada.id).unwrap()));

    t.give_role(ada.user_id, Role::Operator).unwrap();

    assert_eq!(t.again(&ada).role, Role::Operator);
    t.work_for(secs(2));
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn a_session_ended_twice_concurrently_is_recorded_once() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    let (other, same) = (t.clone(), ada.clone());
    t.store.run_before_next_apply(move || other.log_out(&same).unwrap());

    assert_eq!(t.end_all(ada.user.id).unwrap(), 0);

    assert_eq!(t.event_kinds_of(&ada.user), ["session_started", "session_ended"]);
}

#[test]
fn a_session_replaced_during_its_logout_is_recorded_once() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.log_in("ada").unwrap();
    t.work_for(secs(2));
    let (other, same) = (t.clone(), ada.clone());
    t.store.run_before_next_apply(move || other.log_out(&same).unwrap());
    let replaces = Some(ada.session.clone());

    t.redeem_with(&RedeemLink {
        previous_session: replaces,
        ..Simulation::redemption(&t.link("ada"))
    })
    .unwrap();

    let story = t.event_kinds_of(&ada.user);
    assert_eq!(story, ["session_started", "session_ended", "session_started"]);
}

/// Promotes a user to operator before the next write.
fn is_promoted_concurrently(t: &Simulation, user: UserId) {
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.give_role(user, Role::Operator).unwrap()));
}

#[test]
fn a_user_promoted_concurrently_cannot_be_managed_by_a_caller_limited_to_members() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    let (id, away) = (ada.user.id, Some(true));

    is_promoted_concurrently(&t, id);
    let suspended = t.change(id, &UserChange { is_suspended: away, ..UserChange::default() });
    assert!(matches!(suspended, Err(UserError::Forbidden)), "{suspended:?}");

    for name in ["bob", "eve"] {
        t.logged_in(name);
    }
    let (bob, eve) = (t.expect_user("bob").id, t.expect_user("eve").id);
    is_promoted_concurrently(&t, bob);
    let removed = block_on(remove_user(&t.ctx, bob, ManageableRoles::MemberOnly, &Actor::Cli));
    assert!(matches!(removed, Err(UserError::Forbidden)), "{removed:?}");
    is_promoted_concurrently(&t, eve);
    let ended = block_on(end_all_sessions(&t.ctx, eve, ManageableRoles::MemberOnly, &Actor::Cli));
    assert!(matches!(ended, Err(UserError::Forbidden)), "{ended:?}");

    for name in ["ada", "bob", "eve"] {
        let user = t.expect_user(name);
        assert_eq!((user.role, user.status), (Role::Operator, UserStatus::Active), "{name}");
        assert!(t.sessions(&user).iter().all(|session| session.ended.is_none()), "{name}");
    }
}

#[test]
fn an_invitation_promoted_concurrently_cannot_be_managed_by_a_caller_limited_to_members() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.wait(secs(120));

    is_promoted_concurrently(&t, ada.user_id);
    let again = block_on(resend(&t.ctx, ada.id, ManageableRoles::MemberOnly, &Actor::Cli));
    assert!(matches!(again, Err(InvitationError::Forbidden)), "{again:?}");

    let bob = t.sent("bob");
    is_promoted_concurrently(&t, bob.user_id);
    let back = block_on(revoke(&t.ctx, bob.id, ManageableRoles::MemberOnly, &Actor::Cli));
    assert!(matches!(back, Err(InvitationError::Forbidden)), "{back:?}");

    for invitation in [ada, bob] {
        let now = t.again(&invitation);
        assert_eq!((now.role, now.status), (Role::Operator, invitation.status));
    }
}
