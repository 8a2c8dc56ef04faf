//! Open invitations with a role above `member` end with the rights of the administrator who sent them.

use guestlist_domain::flows::{
    self, ChangedUser, InviteError, LoggedIn, NewInvitation, UserChange, privileged_invitations_by,
};
use guestlist_domain::jobs::RevokeInvitation;
use guestlist_domain::{Actor, Invitation, InvitationStatus, ManageableRoles, Role, UserStatus};

use crate::support::{Link, Simulation, block_on, secs};

/// Invitations of an administrator: address, role, and whether it is revoked with the rights.
const SENT: [(&str, Role, bool); 3] = [
    ("second", Role::Admin, true),
    ("helper", Role::Operator, true),
    ("friend", Role::Member, false),
];

fn invite_as(
    t: &Simulation,
    by: &LoggedIn,
    name: &str,
    role: Role,
) -> Result<Invitation, InviteError> {
    let request = NewInvitation { role, ..Simulation::invitation_of(name) };
    block_on(flows::invite(&t.ctx, request, &Actor::of(&by.user)))
}

fn change(t: &Simulation, logged_in: &LoggedIn, change: UserChange) -> ChangedUser {
    let change = UserChange { manageable: ManageableRoles::All, ..change };
    block_on(flows::change_user(&t.ctx, logged_in.user.id, &change, &Actor::Cli)).unwrap()
}

fn demoted_to(role: Role) -> UserChange {
    UserChange { role: Some(role), ..UserChange::default() }
}

fn suspended() -> UserChange {
    UserChange { is_suspended: Some(true), ..UserChange::default() }
}

/// Creates a simulation with two administrators, the first of whom has sent all invitations.
fn simulation() -> (Simulation, LoggedIn) {
    let t = Simulation::new();
    let (mallory, boss) = (t.admin("mallory"), t.admin("boss"));
    for (name, role, _) in SENT {
        invite_as(&t, &mallory, name, role).unwrap();
    }
    invite_as(&t, &boss, "third", Role::Admin).unwrap();
    t.invite_as(NewInvitation { role: Role::Admin, ..Simulation::invitation_of("by-cli") })
        .unwrap();
    t.work_for(secs(5));
    (t, mallory)
}

fn open(t: &Simulation, name: &str) -> bool {
    t.invitations(name)[0].status.is_open()
}

fn has_ended(t: &Simulation, changed: &ChangedUser) {
    let mut recorded: Vec<_> = changed.revoked.iter().map(|one| one.email.as_str()).collect();
    recorded.sort_unstable();
    assert_eq!(recorded, ["helper@example.com", "second@example.com"]);
    assert!(changed.revoked.iter().all(|one| one.status == InvitationStatus::Revoked));
    for (name, _, ends) in SENT {
        assert_eq!(open(t, name), !ends, "{name}");
    }
    assert!(open(t, "third") && open(t, "by-cli"), "those of others stay");
    t.work();
    assert_eq!(t.link_state("second"), Link::Revoked, "at Stytch, too");
    assert!(t.redeem(&t.link("second")).is_err());
}

#[test]
fn a_removal_revokes_privileged_invitations() {
    let (t, mallory) = simulation();
    let removed = flows::remove_user(&t.ctx, mallory.user.id, ManageableRoles::All, &Actor::Cli);
    let removed = block_on(removed).unwrap();
    assert_eq!(removed.user.status, UserStatus::Deleting);
    has_ended(&t, &removed);
}

#[test]
fn a_suspension_revokes_privileged_invitations() {
    let (t, mallory) = simulation();
    has_ended(&t, &change(&t, &mallory, suspended()));
    assert_eq!(t.jobs::<RevokeInvitation>().len(), 2);
}

#[test]
fn a_demotion_revokes_privileged_invitations() {
    for role in [Role::Operator, Role::Member] {
        let (t, mallory) = simulation();
        has_ended(&t, &change(&t, &mallory, demoted_to(role)));
    }
}

#[test]
fn other_changes_revoke_nothing() {
    let (t, mallory) = simulation();
    let renamed = UserChange { name: Some(crate::support::named("M")), ..UserChange::default() };
    assert!(change(&t, &mallory, renamed).revoked.is_empty());
    assert!(SENT.iter().all(|(name, ..)| open(&t, name)));
    let invitations = block_on(privileged_invitations_by(&t.ctx, mallory.user.id)).unwrap();
    assert_eq!(invitations.len(), 2, "what would end is recorded before");
}

#[test]
fn more_than_one_page_of_privileged_invitations_is_revoked() {
    let t = Simulation::new();
    let mallory = t.admin("mallory");
    t.admin("boss");
    for n in 0..250 {
        invite_as(&t, &mallory, &format!("admin{n}"), Role::Admin).unwrap();
    }
    assert_eq!(change(&t, &mallory, suspended()).revoked.len(), 250);
}

#[test]
fn an_invitation_concurrent_with_the_inviters_suspension_is_refused_or_revoked() {
    let (t, mallory) = simulation();
    let (other, by) = (t.clone(), mallory.clone());
    // The invitation is written first, so the suspension finds it.
    t.store
        .run_before_next_apply(move || drop(invite_as(&other, &by, "late", Role::Admin).unwrap()));
    assert_eq!(change(&t, &mallory, suspended()).revoked.len(), 3);
    assert!(!open(&t, "late"));

    let (t, mallory) = simulation();
    let (other, by) = (t.clone(), mallory.clone());
    // The suspension is written first, so the invitation is refused.
    t.store.run_before_next_apply(move || drop(change(&other, &by, suspended())));
    let refused = invite_as(&t, &mallory, "late", Role::Admin);
    assert!(matches!(refused, Err(InviteError::Forbidden)), "{refused:?}");
    assert!(t.invitations("late").is_empty());
}
