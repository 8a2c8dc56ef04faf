//! Invariants that hold after every step.

use std::collections::{HashMap, HashSet};

use guestlist_domain::jobs::{DeleteIdentity, SendInvitation};
use guestlist_domain::{
    Clock, Event, EventKind, Invitation, InvitationStatus, Job, ReadUsers, User, UserStatus,
};
use jiff::Timestamp;

use super::scenario::Scenario;
use super::timelines;
use crate::support::{JobRow, JobState, Simulation, Tables, block_on, secs};

pub(super) fn hold(simulation: &Simulation) {
    let tables = simulation.store.tables().clone();
    let now = simulation.clock.now();
    for invitation in tables.invitations.values() {
        check_invitation(&tables, invitation, now);
    }
    for user in tables.users.values() {
        check_user(simulation, &tables, user);
    }
    check_open_invitations(&tables);
    check_cancelled_jobs(&tables);
    check_sent_mails(simulation, &tables);
    check_dead_jobs(&tables);
    check_live_sessions(&tables, now);
    check_session_end_events(&tables);
    let admins = block_on(simulation.store.count_active_admins()).expect("the store is there");
    assert!(admins > 0, "nobody is left to administer");
}

fn check_invitation(tables: &Tables, invitation: &Invitation, now: Timestamp) {
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
        let live: Vec<_> = theirs.filter(|row| row.is_live() && !row.cancel_requested).collect();
        assert_eq!(live.len(), 1, "nobody will send {invitation:?}");
        let too_soon = live[0].is_waiting() && Some(live[0].run_at) < invitation.next_attempt_at;
        assert!(!too_soon, "{:?} before its time: {invitation:?}", live[0]);
    }
    let timeline: Vec<Event> = {
        let events = tables.events.values();
        events.filter(|event| event.invitation_id == Some(invitation.id)).cloned().collect()
    };
    timelines::check_timeline(invitation, &timeline);
    check_doubt(tables, invitation, &timeline);
}

/// Applies unless the invitation was resent since.
fn check_cancelled_jobs(tables: &Tables) {
    for invitation in tables.invitations.values() {
        let its_job = tables.jobs.values().find(|row| sends(row, invitation));
        let its_job =
            its_job.filter(|row| row.state == JobState::Cancelled || row.cancel_requested);
        assert!(its_job.is_none() || !invitation.status.is_open(), "{its_job:?}, {invitation:?}");
    }
}

/// A delivery's job is dead only while its invitation is the newest, and failed, of a user who
/// is not active. The end of a job that was cancelled while it ran is not known.
fn check_dead_jobs(tables: &Tables) {
    let mut dead =
        tables.jobs.values().filter(|row| row.state == JobState::Dead && !row.cancel_requested);
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

/// A mail was sent by one of the calls, not before it was requested. An identity
/// that another application created since the first attempt cannot be distinguished from ours.
fn check_sent_mails(simulation: &Simulation, tables: &Tables) {
    let stytch = simulation.provider.state();
    for sent in tables.invitations.values().filter(|one| one.status == InvitationStatus::Sent) {
        let mut mails = stytch.mails.iter().filter(|mail| mail.to == sent.email);
        let is_mailed = mails.any(|mail| mail.sent_at + secs(5) >= sent.requested_at());
        let known = stytch.find(&sent.email).filter(|known| !known.created_by_guestlist);
        let known_since = known.and_then(|known| known.created_at);
        let first = first_attempt(tables, sent);
        let is_attributed_to_delivery =
            known_since.is_some_and(|since| Some(since + secs(5)) >= first);
        assert!(is_mailed || first.is_some() && is_attributed_to_delivery, "no mail: {sent:?}");
    }
}

/// Returns the start of the first attempt since the last request.
fn first_attempt(tables: &Tables, invitation: &Invitation) -> Option<Timestamp> {
    let its_job = tables.jobs.values().find(|row| sends(row, invitation))?;
    its_job.starts.iter().copied().find(|began_at| *began_at >= invitation.requested_at())
}

/// A doubt starts with an attempt since the last request, and the timeline contains it.
fn check_doubt(tables: &Tables, invitation: &Invitation, timeline: &[Event]) {
    let Some(since) = invitation.in_doubt_since else { return };
    assert_ne!(invitation.status, InvitationStatus::Sent, "{invitation:?}");
    let its_job = tables.jobs.values().find(|row| sends(row, invitation));
    let starts = its_job.map(|row| &*row.starts).unwrap_or_default();
    let is_attempt_start = starts.contains(&since) && since >= invitation.requested_at();
    assert!(is_attempt_start, "in doubt with none of {starts:?}: {invitation:?}");
    let since_asked = timeline.iter().rev().take_while(|event| event.kind != EventKind::Resent);
    let mut doubtful = since_asked.filter(|event| event.kind == EventKind::Doubtful);
    assert!(doubtful.next().is_some(), "no event records the doubt: {invitation:?}");
}

fn sends(row: &JobRow, invitation: &Invitation) -> bool {
    let key = format!("{}:{}:{}", SendInvitation::KIND, invitation.id, invitation.delivery);
    row.job.unique_key == Some(key)
}

fn check_user(simulation: &Simulation, tables: &Tables, user: &User) {
    let invited = tables.invitations.values().filter(|one| one.user_id == user.id).count();
    match user.status {
        UserStatus::Invited => assert!(invited > 0, "nobody has invited {user:?}"),
        UserStatus::Deleting => {
            let id = user.id.to_string();
            let mut deletions =
                tables.jobs.values().filter(|row| row.job.kind == DeleteIdentity::KIND);
            let is_being_deleted =
                deletions.any(|row| row.job.args["user"] == *id && row.state != JobState::Done);
            assert!(is_being_deleted, "no job deletes {user:?}");
        }
        UserStatus::Active | UserStatus::Suspended => {
            let stytch = simulation.provider.state();
            let known = |id: &String| stytch.users.iter().any(|identity| identity.id == *id);
            assert!(user.provider_user_id.as_ref().is_none_or(known), "{user:?} is gone at Stytch");
        }
    }
}

fn check_open_invitations(tables: &Tables) {
    let mut seen = HashSet::new();
    for open in tables.invitations.values().filter(|one| one.status.is_open()) {
        assert!(seen.insert(&open.email), "two open invitations: {open:?}");
    }
}

fn check_live_sessions(tables: &Tables, now: Timestamp) {
    for session in tables.sessions.values().filter(|session| session.is_live(now)) {
        let status = tables.users.get(&session.user_id).map(|user| user.status);
        assert_eq!(status, Some(UserStatus::Active), "{session:?}");
    }
}

/// Applies unless the session had expired.
fn check_session_end_events(tables: &Tables) {
    let mut recorded: HashMap<String, usize> = HashMap::new();
    for event in tables.events.values().filter(|event| event.kind == EventKind::SessionEnded) {
        *recorded
            .entry(event.detail["session"].as_str().expect("which").to_owned())
            .or_default() += 1;
    }
    for session in tables.sessions.values() {
        let is_cut_short = session.ended.is_some_and(|(at, _)| at < session.expires_at);
        let recorded = recorded.get(&session.id.to_string()).copied().unwrap_or_default();
        assert_eq!(recorded, usize::from(is_cut_short), "{session:?}");
    }
}

/// Mails of invitations to one user are at least a second apart. The time of a lost worker's
/// call is unknown, and a removed user counts as a new one.
pub(super) fn check_mail_spacing(scenario: &Scenario) {
    let tables = scenario.simulation.store.tables();
    let requested = tables.events.values().filter(|event| event.kind == EventKind::Requested);
    let users: HashMap<_, _> =
        requested.map(|event| (event.invitation_id, event.user_id)).collect();
    let mut last = HashMap::new();
    for (n, mail) in scenario.simulation.provider.state().mails.iter().enumerate() {
        let Some((_, id)) = mail.redirect_url.split_once("?invitation=") else { continue };
        let user = users[&Some(id.parse().expect("an id"))];
        let Some((before, at)) = last.insert(user, (n, mail.sent_at)) else { continue };
        let is_rescued =
            scenario.rescued_after.iter().any(|after| (before + 1..=n).contains(after));
        assert!(is_rescued || at + secs(1) <= mail.sent_at, "too soon after {at}: {mail:?}");
    }
}

/// Events and jobs contain no address, and no row contains a secret.
pub(super) fn check_no_secrets(simulation: &Simulation) {
    let tables = simulation.store.tables().clone();
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
