//! Open invitations with a role above `member` end with the rights of the administrator who sent
//! them.

use guestlist_domain::flows::{
    self, ChangedUser, InviteError, LoggedIn, NewInvitation, RevokeInvitation, UserChange,
    privileged_invitations_by,
};
use guestlist_domain::{Actor, Invitation, InvitationStatus, ManageableRoles, Role, UserStatus};

use crate::support::{House, Link, at_once, secs};

/// What an administrator may send, as what, and whether it ends with their rights.
const SENT: [(&str, Role, bool); 3] = [
    ("second", Role::Admin, true),
    ("helper", Role::Operator, true),
    ("friend", Role::Member, false),
];

fn invite_as(t: &House, by: &LoggedIn, who: &str, role: Role) -> Result<Invitation, InviteError> {
    let request = NewInvitation { role, ..House::asking(who) };
    at_once(flows::invite(&t.ctx, request, &Actor::of(&by.user)))
}

fn change(t: &House, who: &LoggedIn, change: UserChange) -> ChangedUser {
    let change = UserChange { manageable: ManageableRoles::All, ..change };
    at_once(flows::change_user(&t.ctx, who.user.id, &change, &Actor::Cli)).unwrap()
}

fn demoted_to(role: Role) -> UserChange {
    UserChange { role: Some(role), ..UserChange::default() }
}

fn suspended() -> UserChange {
    UserChange { is_suspended: Some(true), ..UserChange::default() }
}

/// A house with two administrators, the first of whom has sent all that there is.
fn house() -> (House, LoggedIn) {
    let t = House::new();
    let (mallory, boss) = (t.admin("mallory"), t.admin("boss"));
    for (who, role, _) in SENT {
        invite_as(&t, &mallory, who, role).unwrap();
    }
    invite_as(&t, &boss, "third", Role::Admin).unwrap();
    t.invite_as(NewInvitation { role: Role::Admin, ..House::asking("by-cli") }).unwrap();
    t.work_for(secs(5));
    (t, mallory)
}

fn open(t: &House, who: &str) -> bool {
    t.invitations(who)[0].status.is_open()
}

fn has_ended(t: &House, changed: &ChangedUser) {
    let mut told: Vec<_> = changed.revoked.iter().map(|one| one.email.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["helper@example.com", "second@example.com"]);
    assert!(changed.revoked.iter().all(|one| one.status == InvitationStatus::Revoked));
    for (who, _, ends) in SENT {
        assert_eq!(open(t, who), !ends, "{who}");
    }
    assert!(open(t, "third") && open(t, "by-cli"), "those of others stay");
    t.work();
    assert_eq!(t.link_state("second"), Link::Revoked, "at Stytch, too");
    assert!(t.press(&t.link("second")).is_err());
}

#[test]
fn a_removed_administrator_leaves_no_way_back() {
    let (t, mallory) = house();
    let removed = flows::remove_user(&t.ctx, mallory.user.id, ManageableRoles::All, &Actor::Cli);
    let removed = at_once(removed).unwrap();
    assert_eq!(removed.user.status, UserStatus::Deleting);
    has_ended(&t, &removed);
}

#[test]
fn a_suspended_administrator_leaves_no_way_back() {
    let (t, mallory) = house();
    has_ended(&t, &change(&t, &mallory, suspended()));
    assert_eq!(t.jobs::<RevokeInvitation>().len(), 2);
}

#[test]
fn a_demoted_administrator_leaves_no_way_back() {
    for role in [Role::Operator, Role::Member] {
        let (t, mallory) = house();
        has_ended(&t, &change(&t, &mallory, demoted_to(role)));
    }
}

#[test]
fn another_change_revokes_nothing() {
    let (t, mallory) = house();
    let renamed = UserChange { name: Some(crate::support::named("M")), ..UserChange::default() };
    assert!(change(&t, &mallory, renamed).revoked.is_empty());
    assert!(SENT.iter().all(|(who, ..)| open(&t, who)));
    let stakes = at_once(privileged_invitations_by(&t.ctx, mallory.user.id)).unwrap();
    assert_eq!(stakes.len(), 2, "what would end is told before");
}

#[test]
fn more_than_a_page_of_them_ends() {
    let t = House::new();
    let mallory = t.admin("mallory");
    t.admin("boss");
    for n in 0..250 {
        invite_as(&t, &mallory, &format!("admin{n}"), Role::Admin).unwrap();
    }
    assert_eq!(change(&t, &mallory, suspended()).revoked.len(), 250);
}

#[test]
fn what_is_sent_while_the_sender_is_suspended_is_refused_or_revoked() {
    let (t, mallory) = house();
    let (other, by) = (t.clone(), mallory.clone());
    // The invitation is written first: the suspension finds it.
    t.store.before_next_apply(move || drop(invite_as(&other, &by, "late", Role::Admin).unwrap()));
    assert_eq!(change(&t, &mallory, suspended()).revoked.len(), 3);
    assert!(!open(&t, "late"));

    let (t, mallory) = house();
    let (other, by) = (t.clone(), mallory.clone());
    // The suspension is written first: the invitation is not.
    t.store.before_next_apply(move || drop(change(&other, &by, suspended())));
    let refused = invite_as(&t, &mallory, "late", Role::Admin);
    assert!(matches!(refused, Err(InviteError::Forbidden)), "{refused:?}");
    assert!(t.invitations("late").is_empty());
}
