//! What holds after every step, whatever happened.

use std::collections::{HashMap, HashSet};

use guestlist_domain::flows::{DeleteIdentity, SendInvitation};
use guestlist_domain::{
    Clock, Event, EventKind, Invitation, InvitationStatus, Job, ReadUsers, User, UserStatus,
};
use jiff::Timestamp;

use super::timelines;
use super::town::Town;
use crate::support::{House, JobRow, JobState, Tables, at_once, secs};

pub(super) fn hold(house: &House) {
    let tables = house.store.tables().clone();
    let now = house.clock.now();
    for invitation in tables.invitations.values() {
        an_invitation_makes_sense(&tables, invitation, now);
    }
    for user in tables.users.values() {
        a_user_makes_sense(house, &tables, user);
    }
    an_address_has_one_open_invitation_at_most(&tables);
    what_was_withdrawn_has_failed(&tables);
    what_is_sent_is_in_the_inbox(house, &tables);
    what_is_dead_has_not_been_looked_after(&tables);
    only_the_active_have_live_sessions(&tables, now);
    the_end_of_each_session_is_told_once(&tables);
    let admins = at_once(house.store.count_active_admins()).expect("the store is there");
    assert!(admins > 0, "nobody is left to administer");
}

fn an_invitation_makes_sense(tables: &Tables, invitation: &Invitation, now: Timestamp) {
    let Invitation { status, .. } = invitation;
    let is_queued = *status == InvitationStatus::Queued;
    assert_eq!(invitation.next_attempt_at.is_some(), is_queued, "{invitation:?}");
    assert!(is_queued || invitation.held_by.is_none(), "{invitation:?}");
    let is_accepted = *status == InvitationStatus::Accepted;
    assert_eq!(invitation.accepted_at.is_some(), is_accepted, "{invitation:?}");
    let has_failed = *status == InvitationStatus::Failed;
    assert!(!has_failed || invitation.last_error.is_some(), "{invitation:?}");
    let is_sent = *status == InvitationStatus::Sent;
    assert!(!is_sent || (1..=20).contains(&invitation.attempts), "{invitation:?}");
    assert!(invitation.attempts <= 20, "{invitation:?}");

    let user = tables.users.get(&invitation.user_id).expect("an invitation is somebody's");
    assert_eq!(user.email, invitation.email);
    if is_accepted {
        assert_ne!(user.status, UserStatus::Invited, "{invitation:?}");
    }
    if invitation.can_be_accepted(now) {
        assert_eq!(user.status, UserStatus::Invited, "{invitation:?}");
    }
    if is_queued && invitation.can_be_accepted(now) {
        let theirs = tables.jobs.values().filter(|row| sends(row, invitation));
        let live: Vec<_> = theirs.filter(|row| row.is_live() && !row.is_unwanted).collect();
        assert_eq!(live.len(), 1, "nobody will send {invitation:?}");
        let too_soon = live[0].is_waiting() && Some(live[0].run_at) < invitation.next_attempt_at;
        assert!(!too_soon, "{:?} before its time: {invitation:?}", live[0]);
    }
    let timeline: Vec<Event> = {
        let events = tables.events.values();
        events.filter(|event| event.invitation_id == Some(invitation.id)).cloned().collect()
    };
    timelines::tells_the_state(invitation, &timeline);
    a_doubt_makes_sense(tables, invitation, &timeline);
}

/// Unless it was asked for once more since.
fn what_was_withdrawn_has_failed(tables: &Tables) {
    for invitation in tables.invitations.values() {
        let its_job = tables.jobs.values().find(|row| sends(row, invitation));
        let its_job = its_job.filter(|row| row.state == JobState::Cancelled || row.is_unwanted);
        assert!(its_job.is_none() || !invitation.status.is_open(), "{its_job:?}, {invitation:?}");
    }
}

/// A delivery stays dead for as long as its invitation is the newest, and failed, of somebody who
/// is not in. Of what was withdrawn while it ran nobody knows how it ends.
fn what_is_dead_has_not_been_looked_after(tables: &Tables) {
    let mut dead =
        tables.jobs.values().filter(|row| row.state == JobState::Dead && !row.is_unwanted);
    let is_open_still = |row: &JobRow| {
        let its = tables.invitations.values().find(|invitation| sends(row, invitation));
        let user = its.and_then(|its| tables.users.get(&its.user_id));
        let newest =
            tables.invitations.values().rev().find(|one| Some(one.user_id) == user.map(|u| u.id));
        its.is_some_and(|its| its.status == InvitationStatus::Failed)
            && newest.map(|newest| newest.id) == its.map(|its| its.id)
            && user.is_some_and(|user| user.status == UserStatus::Invited)
    };
    let looked_after = dead.find(|row| row.job.kind == SendInvitation::KIND && !is_open_still(row));
    assert!(looked_after.is_none(), "nobody need look after {looked_after:?}");
}

/// By the one call or the other, and not before it was asked for, by Stytch's clock. An identity
/// that another application made since the first attempt can't be told from ours.
fn what_is_sent_is_in_the_inbox(house: &House, tables: &Tables) {
    let stytch = house.stytch.knows();
    for sent in tables.invitations.values().filter(|one| one.status == InvitationStatus::Sent) {
        let mut mails = stytch.mails.iter().filter(|mail| mail.to == sent.email);
        let is_there = mails.any(|mail| mail.sent_at + secs(5) >= sent.requested_at());
        let known = stytch.find(&sent.email).filter(|known| !known.is_ours);
        let known_since = known.and_then(|known| known.created_at);
        let first = first_attempt(tables, sent);
        let is_taken_for_ours = known_since.is_some_and(|since| Some(since + secs(5)) >= first);
        assert!(is_there || first.is_some() && is_taken_for_ours, "no mail: {sent:?}");
    }
}

/// When the first attempt began to send it since it was last asked for.
fn first_attempt(tables: &Tables, invitation: &Invitation) -> Option<Timestamp> {
    let its_job = tables.jobs.values().find(|row| sends(row, invitation))?;
    its_job.starts.iter().copied().find(|began_at| *began_at >= invitation.requested_at())
}

/// It began with one of its attempts since it was last asked for, and the timeline tells of it.
fn a_doubt_makes_sense(tables: &Tables, invitation: &Invitation, timeline: &[Event]) {
    let Some(since) = invitation.in_doubt_since else { return };
    assert_ne!(invitation.status, InvitationStatus::Sent, "{invitation:?}");
    let its_job = tables.jobs.values().find(|row| sends(row, invitation));
    let starts = its_job.map(|row| &*row.starts).unwrap_or_default();
    let is_an_attempts = starts.contains(&since) && since >= invitation.requested_at();
    assert!(is_an_attempts, "in doubt with none of {starts:?}: {invitation:?}");
    let since_asked = timeline.iter().rev().take_while(|event| event.kind != EventKind::Resent);
    let mut doubtful = since_asked.filter(|event| event.kind == EventKind::Doubtful);
    assert!(doubtful.next().is_some(), "nobody tells of the doubt: {invitation:?}");
}

fn sends(row: &JobRow, invitation: &Invitation) -> bool {
    let key = format!("{}:{}:{}", SendInvitation::KIND, invitation.id, invitation.delivery);
    row.job.unique_key == Some(key)
}

fn a_user_makes_sense(house: &House, tables: &Tables, user: &User) {
    let invited = tables.invitations.values().filter(|one| one.user_id == user.id).count();
    match user.status {
        UserStatus::Invited => assert!(invited > 0, "nobody has invited {user:?}"),
        UserStatus::Deleting => {
            let id = user.id.to_string();
            let mut deletions =
                tables.jobs.values().filter(|row| row.job.kind == DeleteIdentity::KIND);
            let is_going =
                deletions.any(|row| row.job.args["user"] == *id && row.state != JobState::Done);
            assert!(is_going, "nobody deletes {user:?}");
        }
        UserStatus::Active | UserStatus::Suspended => {
            let stytch = house.stytch.knows();
            let known = |id: &String| stytch.users.iter().any(|identity| identity.id == *id);
            assert!(user.provider_user_id.as_ref().is_none_or(known), "{user:?} is gone at Stytch");
        }
    }
}

fn an_address_has_one_open_invitation_at_most(tables: &Tables) {
    let mut seen = HashSet::new();
    for open in tables.invitations.values().filter(|one| one.status.is_open()) {
        assert!(seen.insert(&open.email), "two open invitations: {open:?}");
    }
}

fn only_the_active_have_live_sessions(tables: &Tables, now: Timestamp) {
    for session in tables.sessions.values().filter(|session| session.is_live(now)) {
        let status = tables.users.get(&session.user_id).map(|user| user.status);
        assert_eq!(status, Some(UserStatus::Active), "{session:?}");
    }
}

/// Unless its time was over already.
fn the_end_of_each_session_is_told_once(tables: &Tables) {
    let mut told: HashMap<String, usize> = HashMap::new();
    for event in tables.events.values().filter(|event| event.kind == EventKind::SessionEnded) {
        *told.entry(event.detail["session"].as_str().expect("which").to_owned()).or_default() += 1;
    }
    for session in tables.sessions.values() {
        let is_cut_short = session.ended.is_some_and(|(at, _)| at < session.expires_at);
        let told = told.get(&session.id.to_string()).copied().unwrap_or_default();
        assert_eq!(told, usize::from(is_cut_short), "{session:?}");
    }
}

/// A second at least between the invitations mailed to one user, whichever they belong to. Where a
/// worker died, nobody knows when it called; and whoever was removed is a stranger.
pub(super) fn mails_keep_their_distance(town: &Town) {
    let tables = town.house.store.tables();
    let requested = tables.events.values().filter(|event| event.kind == EventKind::Requested);
    let users: HashMap<_, _> =
        requested.map(|event| (event.invitation_id, event.user_id)).collect();
    let mut last = HashMap::new();
    for (n, mail) in town.house.stytch.knows().mails.iter().enumerate() {
        let Some((_, id)) = mail.redirect_url.split_once("?invitation=") else { continue };
        let user = users[&Some(id.parse().expect("an id"))];
        let Some((before, at)) = last.insert(user, (n, mail.sent_at)) else { continue };
        let is_rescued = town.rescued_after.iter().any(|after| (before + 1..=n).contains(after));
        assert!(is_rescued || at + secs(1) <= mail.sent_at, "too soon after {at}: {mail:?}");
    }
}

/// Events and jobs hold no address, and no row holds a secret.
pub(super) fn nothing_personal_or_secret_lies_about(house: &House) {
    let tables = house.store.tables().clone();
    for event in tables.events.values() {
        assert!(!event.detail.to_string().contains('@'), "{event:?}");
    }
    for row in tables.jobs.values() {
        assert!(!row.job.args.to_string().contains('@'), "{row:?}");
        assert!(!row.job.unique_key.as_ref().is_some_and(|key| key.contains('@')), "{row:?}");
    }
    let rows = format!("{tables:?}");
    assert!(!rows.contains("token-test"), "a token is kept in clear");
}
