//! Why a person's state is what it is, in a few words.

use guestlist_domain::{HeldBy, Invitation, InvitationId, InvitationStatus, User, UserStatus};
use jiff::Timestamp;

use crate::state::holds::HoldStatus;

/// The longest error message shown in a list, in characters.
const MAX_ERROR: usize = 120;

/// What is known about a state: words, a time, and words after it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Progress {
    pub words: &'static str,
    pub at: Option<Timestamp>,
    pub after: &'static str,
    /// A text that others wrote, such as an error message.
    pub detail: Option<String>,
    /// The invitation whose page says more.
    pub invitation: Option<InvitationId>,
    /// Whether an administrator has to do something.
    pub is_bad: bool,
}

impl Progress {
    fn of(words: &'static str) -> Self {
        Self { words, ..Self::default() }
    }
}

/// `latest` is the newest invitation of an invited user.
pub fn user_progress(
    user: &User,
    latest: Option<&Invitation>,
    holds: HoldStatus,
    now: Timestamp,
) -> Option<Progress> {
    match (user.status, latest) {
        (UserStatus::Active, _) => None,
        (UserStatus::Invited, Some(latest)) => Some(of_invited(latest, holds, now)),
        (UserStatus::Invited, None) => Some(Progress::of("without an invitation")),
        (UserStatus::Suspended, _) => Some(Progress::of("can’t log in")),
        (UserStatus::Deleting, _) => {
            Some(Progress::of("logged out; waiting for Stytch to delete the account"))
        }
    }
}

fn of_invited(latest: &Invitation, holds: HoldStatus, now: Timestamp) -> Progress {
    let invitation = Some(latest.id);
    match latest.status {
        InvitationStatus::Queued => of_queued(latest, holds, now),
        InvitationStatus::Sent => Progress {
            at: latest.sent_at,
            after: if latest.visited_at.is_some() {
                ", opened, not accepted yet"
            } else {
                ", not accepted yet"
            },
            ..Progress::of("sent")
        },
        InvitationStatus::Failed => Progress {
            detail: error_message(latest),
            invitation,
            is_bad: true,
            ..Progress::of("not sent:")
        },
        InvitationStatus::Expired => Progress {
            at: Some(latest.expires_at),
            invitation,
            ..Progress::of("invitation expired")
        },
        InvitationStatus::Revoked => Progress { invitation, ..Progress::of("invitation revoked") },
        InvitationStatus::Accepted => Progress::of("invitation accepted"),
    }
}

fn of_queued(latest: &Invitation, holds: HoldStatus, now: Timestamp) -> Progress {
    let held_by = holds.held_by(latest);
    let words = match held_by {
        _ if latest.in_doubt_since.is_some() => "unclear whether the mail was sent; checking",
        Some(HeldBy::RateLimit) => "held: the rate limit is reached",
        Some(HeldBy::ProviderDown) => "held: Stytch is down",
        Some(HeldBy::Misconfigured) => "held: Stytch refuses the settings",
        Some(HeldBy::Paused) => "held: sending is paused",
        None if latest.last_error.is_some() => "trying again",
        None => return Progress::of("in the queue"),
    };
    let is_retry = held_by.is_none() && latest.in_doubt_since.is_none();
    Progress {
        at: latest.next_attempt_at.filter(|at| now < *at && is_retry),
        detail: error_message(latest).filter(|_| is_retry),
        invitation: Some(latest.id),
        ..Progress::of(words)
    }
}

fn error_message(invitation: &Invitation) -> Option<String> {
    let message = &invitation.last_error.as_ref()?.message;
    let mut characters = message.chars();
    let mut short: String = characters.by_ref().take(MAX_ERROR).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    Some(short)
}

/// Returns why an invitation's state is what it is, for the page of the person.
pub fn invitation_progress(
    invitation: &Invitation,
    holds: HoldStatus,
    now: Timestamp,
) -> Option<Progress> {
    let at = |at| Some(Progress { at, ..Progress::default() });
    match invitation.status {
        InvitationStatus::Accepted => at(invitation.accepted_at),
        InvitationStatus::Sent => at(invitation.sent_at),
        InvitationStatus::Expired => at(Some(invitation.expires_at)),
        InvitationStatus::Revoked => None,
        InvitationStatus::Queued | InvitationStatus::Failed => {
            Some(Progress { invitation: None, ..of_invited(invitation, holds, now) })
        }
    }
}
