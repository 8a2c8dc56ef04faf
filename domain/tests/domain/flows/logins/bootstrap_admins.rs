//! Administrators by configuration: they log in without an invitation while unknown, or while no active
//! administrator is left.

use guestlist_domain::flows::{NewInvitation, RedeemError, bootstrap_login_address};
use guestlist_domain::{InvitationStatus, LoginMail, Metadata, Role, UserStatus};

use crate::support::{Simulation, at, block_on, days, metadata, secs};

#[test]
fn a_configured_administrator_needs_no_invitation() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    t.log_in("root").unwrap();
    t.work();

    let root = t.redeem(&t.link("root")).unwrap().user;

    assert_eq!((root.role, root.status), (Role::Admin, UserStatus::Active));
    assert_eq!(t.expect_user("root").id, root.id);
    t.log_in("root").unwrap();
    t.work_for(secs(2));
    assert_eq!(t.redeem(&t.link("root")).unwrap().user.id, root.id, "once made, the same");
}

#[test]
fn a_configured_administrator_accepts_an_open_invitation() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    let request =
        NewInvitation { metadata: metadata("team", "ops"), ..Simulation::invitation_of("root") };
    let invitation = t.invite_as(request).unwrap();
    t.work();

    let root = t.redeem(&t.link("root")).unwrap().user;

    assert_eq!((root.role, root.metadata), (Role::Admin, metadata("team", "ops")));
    assert_eq!(t.again(&invitation).status, InvitationStatus::Accepted);
}

#[test]
fn a_configured_administrator_can_log_in_with_an_invitation_of_any_status() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    let invitation = t.ended("root", InvitationStatus::Revoked);
    t.log_in("root").unwrap();
    t.work();

    let root = t.redeem(&t.link("root")).unwrap().user;

    assert_eq!((root.role, root.metadata), (Role::Admin, Metadata::default()));
    assert_eq!(t.again(&invitation).status, InvitationStatus::Revoked);
}

#[test]
fn a_configured_administrators_login_expires_an_overdue_invitation() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    let old = t.sent("root");
    t.wait(days(7));
    t.log_in("root").unwrap();
    t.work();
    t.redeem(&t.link("root")).unwrap();
    assert_eq!(t.again(&old).status, InvitationStatus::Expired);
}

#[test]
fn a_user_configured_later_is_promoted_at_the_next_login() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    let member = t.add("root", Role::Member).unwrap();
    t.log_in("root").unwrap();
    t.work();

    let root = t.redeem(&t.link("root")).unwrap().user;

    assert_eq!((root.id, root.role), (member.id, Role::Admin));
    assert_eq!(t.expect_user("root").role, Role::Admin);
    assert_eq!(t.event_kinds_of(&root), ["user_added", "role_changed", "session_started"]);
}

/// Creates a simulation with the configured administrator `root`, who has logged in, and another one.
fn with_root_and_another() -> Simulation {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    t.log_in("root").unwrap();
    t.work();
    t.redeem(&t.link("root")).unwrap();
    t.admin("other");
    t.wait(secs(10));
    t
}

#[test]
fn a_demoted_configured_administrator_stays_demoted() {
    for role in [Role::Member, Role::Operator] {
        let t = with_root_and_another();
        t.give_role(t.expect_user("root").id, role).unwrap();
        t.log_in("root").unwrap();
        t.work();

        let root = t.redeem(&t.link("root")).unwrap().user;

        assert_eq!((root.role, t.expect_user("root").role), (role, role));
    }
}

#[test]
fn a_removed_configured_administrator_stays_removed() {
    let t = with_root_and_another();
    t.log_in("root").unwrap();
    t.work();
    let earlier = t.link("root");
    t.remove(t.expect_user("root").id).unwrap();
    t.work();
    assert_eq!(t.user("root"), None);
    let mails = t.inbox("root").len();

    t.log_in("root").unwrap();
    t.work_for(secs(2));

    assert_eq!(t.inbox("root").len(), mails, "no mail for an address that was removed");
    assert!(t.redeem(&earlier).is_err());
    assert_eq!(t.user("root"), None);
}

#[test]
fn a_link_does_not_restore_a_removed_administrator() {
    let t = with_root_and_another();
    t.remove(t.expect_user("root").id).unwrap();
    t.work();
    // The provider still accepts the link, for a new identity.
    let mail = LoginMail {
        email: at("root"),
        redirect_url: t.ctx.policy.authenticate_url.clone(),
        expires_in_minutes: 60,
    };
    block_on(t.ctx.provider.send_login(&mail)).unwrap();

    let refused = t.redeem(&t.link("root"));

    assert!(matches!(refused, Err(RedeemError::NotInvited)), "{refused:?}");
    assert_eq!(t.user("root"), None);
}

#[test]
fn a_removed_administrator_can_be_invited_with_another_role() {
    let t = with_root_and_another();
    t.remove(t.expect_user("root").id).unwrap();
    t.work();
    t.wait(secs(10));
    t.invite("root").unwrap();
    t.work();

    let root = t.redeem(&t.link("root")).unwrap().user;

    assert_eq!(root.role, Role::Member);
}

#[test]
fn the_database_decides_the_role_of_a_known_configured_address() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root"), at("revoked")]);
    t.admin("other");
    t.add("root", Role::Member).unwrap();
    t.ended("revoked", InvitationStatus::Revoked);
    for name in ["root", "revoked"] {
        t.log_in(name).unwrap();
    }
    t.work();

    assert_eq!(t.redeem(&t.link("root")).unwrap().user.role, Role::Member);
    assert_eq!(t.status("revoked"), Some(UserStatus::Invited));
}

#[test]
fn a_configured_administrator_can_log_in_when_no_administrator_is_left() {
    let t = with_root_and_another();
    let (root, other) = (t.expect_user("root"), t.expect_user("other"));
    t.give_role(root.id, Role::Member).unwrap();
    // Edits the row directly: no flow takes the last administrator away.
    t.store.tables().users.get_mut(&other.id).unwrap().role = Role::Member;
    t.log_in("root").unwrap();
    t.work();

    assert_eq!(t.redeem(&t.link("root")).unwrap().user.role, Role::Admin);
}

#[test]
fn a_removed_configured_administrator_can_log_in_when_no_administrator_is_left() {
    let t = with_root_and_another();
    t.remove(t.expect_user("root").id).unwrap();
    t.work();
    let other = t.expect_user("other").id;
    t.store.tables().users.get_mut(&other).unwrap().role = Role::Member;
    t.wait(secs(10));
    t.log_in("root").unwrap();
    t.work();

    assert_eq!(t.redeem(&t.link("root")).unwrap().user.role, Role::Admin);
}

#[test]
fn of_two_concurrent_bootstrap_logins_one_succeeds() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("ada"), at("bob")]);
    for name in ["ada", "bob"] {
        t.add(name, Role::Member).unwrap();
        t.log_in(name).unwrap();
    }
    t.work();
    let (other, link) = (t.clone(), t.link("bob"));
    t.store.run_before_next_apply(move || drop(other.redeem(&link).unwrap()));

    let ada = t.redeem(&t.link("ada")).unwrap().user;

    assert_eq!(ada.role, Role::Member, "her role is unchanged");
    assert_eq!(t.expect_user("bob").role, Role::Admin);
}

#[test]
fn the_bootstrap_address_can_log_in() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    let to_log_in = || block_on(bootstrap_login_address(&t.ctx, &at("root"))).unwrap();
    assert_eq!(to_log_in(), at("root"), "never known");
    let root = t.add("root", Role::Admin).unwrap();
    t.admin("other");
    t.give_role(root.id, Role::Member).unwrap();
    assert_eq!(to_log_in(), at("root"), "demoted, and may log in");
    t.suspend("root");
    assert_eq!(to_log_in(), at("other"));
    t.remove(root.id).unwrap();
    t.work();
    assert_eq!(to_log_in(), at("other"));
}
