//! From every state, each user can be logged in, and can be removed.

use guestlist_domain::jobs::RevokeInvitation;
use guestlist_domain::{
    EndReason, Invitation, InvitationStatus, Job, Role, Session, User, UserStatus,
};

use super::steps::PEOPLE;
use crate::support::{JobState, Link, MailKind, Simulation, Tables, at, hours, secs};

pub(super) fn check_all_users(simulation: &Simulation) {
    check_no_work_is_left(simulation);
    check_cancelled_links(simulation);
    for name in PEOPLE {
        // Earlier login requests no longer count.
        simulation.wait(hours(2));
        comes_in(simulation, name);
    }
    // One administrator must remain.
    simulation.add("stand-in", Role::Admin).expect("added");
    for name in PEOPLE {
        goes(simulation, name);
        comes_in(simulation, name);
    }
}

/// After the provider has recovered and a sweep has run, nothing waits.
fn check_no_work_is_left(simulation: &Simulation) {
    let tables = simulation.store.tables();
    for row in tables.jobs.values() {
        assert!(!row.is_live(), "left undone: {row:?}");
    }
    for invitation in tables.invitations.values() {
        assert_ne!(invitation.status, InvitationStatus::Queued, "{invitation:?}");
        assert!(
            invitation.status != InvitationStatus::Sent
                || invitation.can_be_accepted(simulation.now())
        );
    }
    for user in tables.users.values().filter(|user| user.status == UserStatus::Invited) {
        let theirs = tables.invitations.values().rev().find(|one| one.user_id == user.id);
        if theirs.is_some_and(|newest| newest.status == InvitationStatus::Revoked) {
            assert!(is_revoked_at_stytch(simulation, &tables, user), "a link of {user:?} is good");
        }
    }
    for invitation in tables.invitations.values().filter(|one| one.is_revoked_or_cancelled()) {
        assert!(is_undone(simulation, &tables, invitation), "a link is good of {invitation:?}");
    }
    for session in tables.sessions.values() {
        let is_revoked_at_provider =
            |reason| !matches!(reason, EndReason::GoneAtProvider | EndReason::Removed);
        if session.ended.is_some_and(|(_, reason)| is_revoked_at_provider(reason)) {
            assert!(has_ended_at_stytch(simulation, &tables, session), "goes on: {session:?}");
        }
    }
}

/// The link of a delivery that was cancelled while it was sent, and not followed by another, is
/// revoked at the provider, unless the job is dead or cancelled.
fn is_undone(simulation: &Simulation, tables: &Tables, withdrawn: &Invitation) -> bool {
    let newest = tables.invitations.values().rev().find(|one| one.user_id == withdrawn.user_id);
    let was_followed = newest.is_some_and(|newest| newest.id != withdrawn.id);
    let has_accepted =
        tables.users.get(&withdrawn.user_id).is_none_or(|user| user.status != UserStatus::Invited);
    let mut revocations = tables.jobs.values().filter(|row| row.job.kind == RevokeInvitation::KIND);
    let stytch = simulation.provider.state();
    let id = format!("?invitation={}", withdrawn.id);
    let mut its = stytch.mails.iter().filter(|mail| mail.redirect_url.ends_with(&id));
    withdrawn.resent_at.is_some()
        || was_followed
        || has_accepted
        || revocations.any(|row| is_given_up(row.state))
        || its.all(|mail| mail.kind == MailKind::Login || mail.link != Link::Outstanding)
}

/// An administrator by configuration can log in regardless.
fn check_cancelled_links(simulation: &Simulation) {
    let users: Vec<User> = simulation.store.tables().users.values().cloned().collect();
    for user in users {
        let newest = simulation.invitations(user.email.as_str()).into_iter().next();
        let is_invalidated = newest.is_some_and(|newest| newest.is_revoked_or_cancelled());
        let is_admin = simulation.ctx.policy.admin_emails.contains(&user.email);
        if user.status != UserStatus::Invited || !is_invalidated || is_admin {
            continue;
        }
        for mail in simulation.inbox(user.email.as_str()) {
            assert!(simulation.redeem(&mail.token).is_err(), "{user:?} logged in with {mail:?}");
        }
    }
}

/// Applies unless the job is dead or cancelled, which stays visible.
fn is_revoked_at_stytch(simulation: &Simulation, tables: &Tables, user: &User) -> bool {
    let mut dead = tables.jobs.values().filter(|row| is_given_up(row.state));
    let stytch = simulation.provider.state();
    let mut mails = stytch.mails.iter().filter(|mail| mail.to == user.email);
    mails.all(|mail| mail.kind != MailKind::Invitation || mail.link != Link::Outstanding)
        || dead.any(|row| row.job.kind == RevokeInvitation::KIND)
}

/// Applies unless the job is dead or cancelled, which stays visible.
fn has_ended_at_stytch(simulation: &Simulation, tables: &Tables, session: &Session) -> bool {
    let id = &session.provider_session_id;
    let mut dead = tables.jobs.values().filter(|row| is_given_up(row.state));
    let stytch = simulation.provider.state();
    stytch.sessions.iter().any(|known| known.session.provider_session_id == *id && known.is_revoked)
        || dead.any(|row| row.job.args["stytch_session"] == **id)
}

fn is_given_up(state: JobState) -> bool {
    matches!(state, JobState::Dead | JobState::Cancelled)
}

fn comes_in(simulation: &Simulation, name: &str) {
    for _ in 0..3 {
        if is_ready_to_log_in(simulation, name) {
            simulation.log_in(name).expect("not too often");
            simulation.work_for(secs(3));
            let logged_in = simulation.redeem(&simulation.link(name)).expect("a link that lets in");
            assert_eq!(logged_in.user.email, at(name));
            assert!(simulation.return_with(&logged_in.tokens).is_ok());
            return;
        }
        simulation.work();
    }
    panic!(
        "{name} cannot come in: {:?}, {:?}",
        simulation.user(name),
        simulation.invitations(name)
    );
}

/// Does what an administrator must do so that a user can log in. An invited or active user
/// need only request a link.
fn is_ready_to_log_in(simulation: &Simulation, name: &str) -> bool {
    let user = simulation.user(name);
    let revoked = simulation.invitations(name).first().map(|newest| newest.status)
        == Some(InvitationStatus::Revoked);
    match user.as_ref().map(|user| user.status) {
        Some(UserStatus::Active) => return true,
        Some(UserStatus::Invited) if !revoked => return true,
        Some(UserStatus::Invited) | None => drop(simulation.invite(name).expect("invited")),
        Some(UserStatus::Suspended) => drop(simulation.reactivate(name)),
        Some(UserStatus::Deleting) => {
            drop(simulation.remove(expect(user).id).expect("removed again"));
        }
    }
    simulation.work();
    false
}

fn goes(simulation: &Simulation, name: &str) {
    let user = simulation.expect_user(name);
    simulation.remove(user.id).expect("removed");
    simulation.work();
    assert_eq!(simulation.user(name), None, "{name} is gone here");
    assert_eq!(simulation.provider.state().find(&at(name)), None, "{name} is gone at Stytch");
    assert!(simulation.invitations(name).is_empty());
}

fn expect(user: Option<User>) -> User {
    user.expect("there is one")
}
