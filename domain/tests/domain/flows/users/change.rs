//! Changing users: name, role, metadata and status.

use guestlist_domain::flows::{
    InvitationError, NewInvitation, RedeemError, UserChange, UserError, change_user,
    end_all_sessions, remove_user, resend, revoke,
};
use guestlist_domain::jobs::RevokeSession;
use guestlist_domain::{
    Actor, EndReason, EventKind, ManageableRoles, Metadata, Role, User, UserStatus,
};
use serde_json::{Value, json};

use crate::support::{Simulation, block_on, days, metadata, named, secs};

/// Returns the details of a user's events of one kind.
fn details(t: &Simulation, user: &User, kind: EventKind) -> Vec<Value> {
    let tables = t.store.tables();
    let events = tables.events.values().filter(|event| event.user_id == Some(user.id));
    events.filter(|event| event.kind == kind).map(|event| event.detail.clone()).collect()
}

fn to_role(role: Role) -> UserChange {
    UserChange { role: Some(role), ..UserChange::default() }
}

#[test]
fn omitted_fields_are_unchanged() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    let name = UserChange { name: Some(named("Ada")), ..UserChange::default() };
    let facts = UserChange { metadata: Some(metadata("team", "engines")), ..UserChange::default() };

    t.change(ada.user.id, &name).unwrap();
    t.change(ada.user.id, &facts).unwrap();

    let user = t.expect_user("ada");
    assert_eq!((user.name, user.metadata), (named("Ada"), metadata("team", "engines")));
    assert_eq!((user.role, user.status), (Role::Member, UserStatus::Active));
    assert!(t.return_with(&ada.tokens).is_ok());
    t.change(ada.user.id, &UserChange { name: Some(None), ..UserChange::default() }).unwrap();
    assert_eq!(t.expect_user("ada").name, None);
    let recorded = details(&t, &ada.user, EventKind::UserChanged);
    let fields = |field: &str| json!({ "fields": [field] });
    assert_eq!(recorded, [fields("name"), fields("metadata"), fields("name")]);
}

#[test]
fn an_unchanged_user_writes_no_event() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    let unchanged = UserChange {
        name: Some(None),
        role: Some(Role::Member),
        is_suspended: Some(false),
        metadata: Some(Metadata::default()),
        manageable: ManageableRoles::MemberOnly,
    };
    let before = t.expect_user("ada");

    assert_eq!(t.change(ada.id, &unchanged).unwrap(), before);
    assert_eq!(t.change(ada.id, &UserChange::default()).unwrap(), before);

    assert_eq!(t.expect_user("ada"), before);
    assert_eq!(t.event_kinds_of(&ada), ["session_started"]);
}

#[test]
fn a_suspension_ends_sessions_here_and_at_the_provider() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");

    let user = t.suspend("ada");

    assert_eq!(user.status, UserStatus::Suspended);
    assert!(t.return_with(&ada.tokens).is_err());
    assert_eq!(t.sessions(&ada.user)[0].ended, Some((t.now(), EndReason::Suspended)));
    assert_eq!(t.event_kinds_of(&ada.user), ["session_started", "user_suspended", "session_ended"]);
    let recorded = details(&t, &ada.user, EventKind::SessionEnded);
    assert_eq!(recorded, [json!({ "session": ada.session.id, "reason": "suspended" })]);
    t.work();
    assert!(t.provider.state().sessions[0].is_revoked);
}

#[test]
fn a_reactivated_user_can_log_in_and_old_sessions_stay_ended() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.suspend("ada");
    t.suspend("ada");
    t.reactivate("ada");

    assert!(t.return_with(&ada.tokens).is_err());
    t.log_in("ada").unwrap();
    t.work_for(secs(2));
    assert!(t.redeem(&t.link("ada")).is_ok());
    assert_eq!(
        t.event_kinds_of(&ada.user),
        [
            "session_started",
            "user_suspended",
            "session_ended",
            "user_reactivated",
            "session_started"
        ]
    );
}

#[test]
fn a_user_suspended_before_redeeming_the_link_is_refused() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.log_in("ada").unwrap();
    t.work_for(secs(2));
    t.suspend("ada");

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::AccountSuspended)), "{refused:?}");
    let tables = t.store.tables();
    let recorded =
        tables.events.values().find(|event| event.kind == EventKind::LoginRefused).unwrap();
    assert_eq!(recorded.actor.id(), Some(ada.id.0), "it was they who tried");
}

#[test]
fn a_demotion_ends_sessions_and_a_promotion_does_not() {
    let t = Simulation::new();
    t.admin("root");
    let ada = t.logged_in("ada");
    for role in [Role::Operator, Role::Admin] {
        t.give_role(ada.user.id, role).unwrap();
        assert_eq!(t.return_with(&ada.tokens).unwrap().user.role, role);
    }

    t.give_role(ada.user.id, Role::Operator).unwrap();

    assert!(t.return_with(&ada.tokens).is_err());
    assert_eq!(t.sessions(&ada.user)[0].ended, Some((t.now(), EndReason::Demoted)));
    let recorded = details(&t, &ada.user, EventKind::RoleChanged);
    assert_eq!(recorded.last(), Some(&json!({ "from": "admin", "to": "operator" })));
    t.work();
    assert!(t.provider.state().sessions[1].is_revoked);
    assert_eq!(t.jobs::<RevokeSession>().len(), 1);
}

#[test]
fn a_caller_limited_to_members_cannot_change_higher_roles() {
    let t = Simulation::new();
    t.admin("root");
    let ada = t.admin("ada").user;
    let bob = t.logged_in("bob").user;
    let suspends = |so| UserChange { is_suspended: Some(so), ..UserChange::default() };
    let renamed = UserChange { name: Some(named("Ada")), ..UserChange::default() };
    let facts = UserChange { metadata: Some(metadata("team", "engines")), ..UserChange::default() };
    for (user, change) in [
        (bob.id, to_role(Role::Operator)),
        (ada.id, to_role(Role::Member)),
        (ada.id, to_role(Role::Admin)),
        (ada.id, suspends(true)),
        (ada.id, suspends(false)),
        (ada.id, renamed.clone()),
        (ada.id, facts),
        (ada.id, UserChange::default()),
    ] {
        let refused = t.change(user, &change);
        assert!(matches!(refused, Err(UserError::Forbidden)), "{refused:?}");
    }
    t.suspend("ada");
    let reactivation = t.change(ada.id, &suspends(false));
    assert!(matches!(reactivation, Err(UserError::Forbidden)), "{reactivation:?}");
    assert_eq!(t.expect_user("ada").role, Role::Admin);

    let removed = block_on(remove_user(&t.ctx, ada.id, ManageableRoles::MemberOnly, &Actor::Cli));
    assert!(matches!(removed, Err(UserError::Forbidden)), "{removed:?}");
    let ended =
        block_on(end_all_sessions(&t.ctx, ada.id, ManageableRoles::MemberOnly, &Actor::Cli));
    assert!(matches!(ended, Err(UserError::Forbidden)), "{ended:?}");

    assert_eq!(t.expect_user("ada").name, None);
    assert_eq!(t.change(bob.id, &renamed).unwrap().name, named("Ada"));
    assert_eq!(t.change(bob.id, &suspends(true)).unwrap().status, UserStatus::Suspended);
    assert_eq!(t.change(bob.id, &suspends(false)).unwrap().status, UserStatus::Active);
}

#[test]
fn a_caller_limited_to_members_cannot_resend_or_revoke_invitations_of_higher_roles() {
    let t = Simulation::new();
    let request = NewInvitation { role: Role::Operator, ..Simulation::invitation_of("ada") };
    let ada = t.invite_as(request).unwrap();
    let again = block_on(resend(&t.ctx, ada.id, ManageableRoles::MemberOnly, &Actor::Cli));
    assert!(matches!(again, Err(InvitationError::Forbidden)), "{again:?}");
    let revocation = block_on(revoke(&t.ctx, ada.id, ManageableRoles::MemberOnly, &Actor::Cli));
    assert!(matches!(revocation, Err(InvitationError::Forbidden)), "{revocation:?}");
    assert_eq!(t.again(&ada), ada);
    // Forbidden takes precedence over the status `invited`.
    let out = UserChange { is_suspended: Some(true), ..UserChange::default() };
    let refused = t.change(ada.user_id, &out);
    assert!(matches!(refused, Err(UserError::Forbidden)), "{refused:?}");
}

#[test]
fn an_invited_user_can_be_neither_suspended_nor_reactivated() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    for so in [true, false] {
        let refused = t.try_suspend(ada.user_id, so);
        assert!(matches!(refused, Err(UserError::OnlyInvited)), "{refused:?}");
    }
    assert_eq!(t.status("ada"), Some(UserStatus::Invited));
}

#[test]
fn changes_of_an_invited_user_survive_acceptance() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let change = UserChange {
        name: Some(named("Ada")),
        role: Some(Role::Operator),
        metadata: Some(metadata("team", "engines")),
        manageable: ManageableRoles::All,
        ..UserChange::default()
    };
    t.change(ada.user_id, &change).unwrap();
    assert_eq!(t.again(&ada).role, Role::Operator);

    let user = t.redeem(&t.link("ada")).unwrap().user;

    assert_eq!((user.name, user.role), (named("Ada"), Role::Operator));
    assert_eq!(user.metadata, metadata("team", "engines"));
}

#[test]
fn an_invited_user_who_was_demoted_becomes_a_member() {
    let t = Simulation::new();
    let request = guestlist_domain::flows::NewInvitation {
        role: Role::Admin,
        name: named("Ada"),
        ..Simulation::invitation_of("ada")
    };
    let ada = t.invite_as(request).unwrap();
    t.work();
    t.wait(days(8));
    t.sweep();
    let manageable = ManageableRoles::All;
    let change = UserChange { name: Some(None), manageable, ..to_role(Role::Member) };
    t.change(ada.user_id, &change).unwrap();
    // An expired invitation is resent on request.
    t.log_in("ada").unwrap();
    t.work_for(secs(2));

    let user = t.redeem(&t.link("ada")).unwrap().user;

    assert_eq!((user.name, user.role), (None, Role::Member));
}

#[test]
fn a_deleting_or_removed_user_cannot_be_changed() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    let refused = t.try_suspend(ada.id, false);
    assert!(matches!(refused, Err(UserError::BeingRemoved)), "{refused:?}");
    t.work();
    let gone = t.change(ada.id, &UserChange::default());
    assert!(matches!(gone, Err(UserError::NotFound)), "{gone:?}");
}

#[test]
fn the_last_active_administrator_can_be_neither_demoted_nor_suspended() {
    let t = Simulation::new();
    let root = t.admin("root");
    t.admin("other");
    t.suspend("other");

    for role in [Role::Operator, Role::Member] {
        let refused = t.give_role(root.user.id, role);
        assert!(matches!(refused, Err(UserError::LastAdmin)), "{refused:?}");
    }
    let refused = t.try_suspend(root.user.id, true);
    assert!(matches!(refused, Err(UserError::LastAdmin)), "{refused:?}");

    assert!(t.return_with(&root.tokens).is_ok());
    t.reactivate("other");
    t.suspend("root");
    let other = t.expect_user("other");
    assert!(t.remove(other.id).is_err());
}

#[test]
fn events_contain_the_clients_address_except_those_of_the_system() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    let ip = std::net::IpAddr::from([203, 0, 113, 7]);
    let ctx = t.ctx.for_client(ip);
    let suspension = UserChange { is_suspended: Some(true), ..UserChange::default() };
    block_on(change_user(&ctx, ada.id, &suspension, &Actor::Cli)).unwrap();
    let reactivation = UserChange { is_suspended: Some(false), ..UserChange::default() };
    block_on(change_user(&ctx, ada.id, &reactivation, &Actor::System)).unwrap();

    let tables = t.store.tables();
    let events = tables.events.values().filter(|event| event.user_id == Some(ada.id)).rev();
    let from: Vec<_> = events.map(|event| (event.kind.as_str(), event.from_ip)).take(3).collect();
    let expected =
        [("user_reactivated", None), ("session_ended", Some(ip)), ("user_suspended", Some(ip))];
    assert_eq!(from, expected);
}
