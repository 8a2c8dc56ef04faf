//! From wherever things stand, everybody has a way on: to be in, and to be gone.

use guestlist_domain::flows::RevokeInvitation;
use guestlist_domain::{
    EndReason, Invitation, InvitationStatus, Job, Role, Session, User, UserStatus,
};

use super::acts::PEOPLE;
use crate::support::{House, JobState, Link, MailKind, Tables, at, hours, secs};

pub(super) fn is_there_for_everybody(house: &House) {
    nothing_is_left_undone(house);
    no_link_of_what_was_withdrawn_lets_in(house);
    for who in PEOPLE {
        // Askings of before are not held against them.
        house.wait(hours(2));
        comes_in(house, who);
    }
    // Somebody must be left to administer.
    house.add("stand-in", Role::Admin).expect("added");
    for who in PEOPLE {
        goes(house, who);
        comes_in(house, who);
    }
}

/// With Stytch well, time past and a sweep done, nothing waits any more.
fn nothing_is_left_undone(house: &House) {
    let tables = house.store.tables();
    for row in tables.jobs.values() {
        assert!(!row.is_live(), "left undone: {row:?}");
    }
    for invitation in tables.invitations.values() {
        assert_ne!(invitation.status, InvitationStatus::Queued, "{invitation:?}");
        assert!(
            invitation.status != InvitationStatus::Sent || invitation.can_be_accepted(house.now())
        );
    }
    for user in tables.users.values().filter(|user| user.status == UserStatus::Invited) {
        let theirs = tables.invitations.values().rev().find(|one| one.user_id == user.id);
        if theirs.is_some_and(|newest| newest.status == InvitationStatus::Revoked) {
            assert!(is_revoked_at_stytch(house, &tables, user), "a link of {user:?} is good");
        }
    }
    for invitation in tables.invitations.values().filter(|one| one.is_withdrawn()) {
        assert!(is_undone(house, &tables, invitation), "a link is good of {invitation:?}");
    }
    for session in tables.sessions.values() {
        let is_known_there =
            |reason| !matches!(reason, EndReason::GoneAtProvider | EndReason::Removed);
        if session.ended.is_some_and(|(_, reason)| is_known_there(reason)) {
            assert!(has_ended_at_stytch(house, &tables, session), "goes on: {session:?}");
        }
    }
}

/// What was withdrawn while its first delivery was sent, and was not followed by anything, is
/// withdrawn at Stytch too; or the worker or an operator has given up.
fn is_undone(house: &House, tables: &Tables, withdrawn: &Invitation) -> bool {
    let newest = tables.invitations.values().rev().find(|one| one.user_id == withdrawn.user_id);
    let was_followed = newest.is_some_and(|newest| newest.id != withdrawn.id);
    let has_come_in =
        tables.users.get(&withdrawn.user_id).is_none_or(|user| user.status != UserStatus::Invited);
    let mut undoings = tables.jobs.values().filter(|row| row.job.kind == RevokeInvitation::KIND);
    let stytch = house.stytch.knows();
    let id = format!("?invitation={}", withdrawn.id);
    let mut its = stytch.mails.iter().filter(|mail| mail.redirect_url.ends_with(&id));
    withdrawn.resent_at.is_some()
        || was_followed
        || has_come_in
        || undoings.any(|row| is_given_up(row.state))
        || its.all(|mail| mail.kind == MailKind::Login || mail.link != Link::Outstanding)
}

/// Whoever is an administrator by configuration comes in all the same.
fn no_link_of_what_was_withdrawn_lets_in(house: &House) {
    let users: Vec<User> = house.store.tables().users.values().cloned().collect();
    for user in users {
        let newest = house.invitations(user.email.as_str()).into_iter().next();
        let is_withdrawn = newest.is_some_and(|newest| newest.is_withdrawn());
        let is_admin = house.ctx.policy.admin_emails.contains(&user.email);
        if user.status != UserStatus::Invited || !is_withdrawn || is_admin {
            continue;
        }
        for mail in house.inbox(user.email.as_str()) {
            assert!(house.press(&mail.token).is_err(), "{user:?} came in by {mail:?}");
        }
    }
}

/// Or the worker or an operator has given up, which stays visible.
fn is_revoked_at_stytch(house: &House, tables: &Tables, user: &User) -> bool {
    let mut dead = tables.jobs.values().filter(|row| is_given_up(row.state));
    let stytch = house.stytch.knows();
    let mut mails = stytch.mails.iter().filter(|mail| mail.to == user.email);
    mails.all(|mail| mail.kind != MailKind::Invitation || mail.link != Link::Outstanding)
        || dead.any(|row| row.job.kind == RevokeInvitation::KIND)
}

/// Or the worker or an operator has given up, which stays visible.
fn has_ended_at_stytch(house: &House, tables: &Tables, session: &Session) -> bool {
    let id = &session.provider_session_id;
    let mut dead = tables.jobs.values().filter(|row| is_given_up(row.state));
    let stytch = house.stytch.knows();
    stytch.sessions.iter().any(|known| known.session.provider_session_id == *id && known.is_revoked)
        || dead.any(|row| row.job.args["stytch_session"] == **id)
}

fn is_given_up(state: JobState) -> bool {
    matches!(state, JobState::Dead | JobState::Cancelled)
}

fn comes_in(house: &House, who: &str) {
    for _ in 0..3 {
        if is_ready_to_log_in(house, who) {
            house.log_in(who).expect("not too often");
            house.work_for(secs(3));
            let came_in = house.press(&house.link(who)).expect("a link that lets in");
            assert_eq!(came_in.user.email, at(who));
            assert!(house.comes_back(&came_in.tokens).is_ok());
            return;
        }
        house.work();
    }
    panic!("{who} cannot come in: {:?}, {:?}", house.user(who), house.invitations(who));
}

/// What an administrator does for somebody who wants to come in. Whoever is invited or active
/// need only ask for a link.
fn is_ready_to_log_in(house: &House, who: &str) -> bool {
    let user = house.user(who);
    let revoked = house.invitations(who).first().map(|newest| newest.status)
        == Some(InvitationStatus::Revoked);
    match user.as_ref().map(|user| user.status) {
        Some(UserStatus::Active) => return true,
        Some(UserStatus::Invited) if !revoked => return true,
        Some(UserStatus::Invited) | None => drop(house.invite(who).expect("invited")),
        Some(UserStatus::Suspended) => drop(house.reactivate(who)),
        Some(UserStatus::Deleting) => drop(house.remove(expect(user).id).expect("asked again")),
    }
    house.work();
    false
}

fn goes(house: &House, who: &str) {
    let user = house.expect_user(who);
    house.remove(user.id).expect("removed");
    house.work();
    assert_eq!(house.user(who), None, "{who} is gone here");
    assert_eq!(house.stytch.knows().find(&at(who)), None, "{who} is gone at Stytch");
    assert!(house.invitations(who).is_empty());
}

fn expect(user: Option<User>) -> User {
    user.expect("there is one")
}
