//! Why a person's state is what it is, in a few words.

use guestlist_domain::{HeldBy, Invitation, InvitationId, InvitationStatus, User, UserStatus};
use jiff::Timestamp;

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

/// `latest` is the newest invitation of an invited user, and `held_by` what holds it back.
pub fn user_progress(
    user: &User,
    latest: Option<&Invitation>,
    held_by: Option<HeldBy>,
    now: Timestamp,
) -> Option<Progress> {
    match (user.status, latest) {
        (UserStatus::Active, _) => None,
        (UserStatus::Invited, Some(latest)) => Some(of_invited(latest, held_by, now)),
        (UserStatus::Invited, None) => Some(Progress::of("without an invitation")),
        (UserStatus::Suspended, _) => Some(Progress::of("can’t log in")),
        (UserStatus::Deleting, _) => {
            Some(Progress::of("logged out; waiting for Stytch to delete the account"))
        }
    }
}

fn of_invited(latest: &Invitation, held_by: Option<HeldBy>, now: Timestamp) -> Progress {
    let invitation = Some(latest.id);
    match latest.status {
        InvitationStatus::Queued => of_queued(latest, held_by, now),
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

fn of_queued(latest: &Invitation, held_by: Option<HeldBy>, now: Timestamp) -> Progress {
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
    held_by: Option<HeldBy>,
    now: Timestamp,
) -> Option<Progress> {
    let at = |at| Some(Progress { at, ..Progress::default() });
    match invitation.status {
        InvitationStatus::Accepted => at(invitation.accepted_at),
        InvitationStatus::Sent => at(invitation.sent_at),
        InvitationStatus::Expired => at(Some(invitation.expires_at)),
        InvitationStatus::Revoked => None,
        InvitationStatus::Queued | InvitationStatus::Failed => {
            Some(Progress { invitation: None, ..of_invited(invitation, held_by, now) })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use guestlist_domain::{Actor, DeliveryError, Email, Metadata, Role, UserId};
    use uuid::Uuid;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn invitation(status: InvitationStatus, now: Timestamp) -> Invitation {
        Invitation {
            id: InvitationId(Uuid::nil()),
            user_id: UserId(Uuid::nil()),
            email: Email::parse("ada@example.com").unwrap(),
            name: None,
            role: Role::Member,
            metadata: Metadata::default(),
            return_to: None,
            invited_by: Actor::Cli,
            status,
            delivery: 1,
            attempts: 0,
            next_attempt_at: Some(now + MINUTE),
            held_by: None,
            last_error: None,
            in_doubt_since: None,
            as_login: false,
            created_at: now,
            resent_at: None,
            sent_at: None,
            visited_at: None,
            accepted_at: None,
            expires_at: now + 60 * MINUTE,
            version: 1,
        }
    }

    fn failed_with(message: &str, invitation: Invitation) -> Invitation {
        let error =
            DeliveryError { code: "x".into(), message: message.into(), at: invitation.created_at };
        Invitation { last_error: Some(error), ..invitation }
    }

    #[test]
    fn a_queued_invitation_says_what_it_waits_for() {
        let now = Timestamp::UNIX_EPOCH;
        let queued = invitation(InvitationStatus::Queued, now);
        let words = |invitation: &Invitation, held_by| of_invited(invitation, held_by, now).words;
        assert_eq!(words(&queued, None), "in the queue");
        assert_eq!(words(&queued, Some(HeldBy::ProviderDown)), "held: Stytch is down");
        let doubtful = Invitation { in_doubt_since: Some(now), ..queued.clone() };
        assert!(words(&doubtful, Some(HeldBy::Paused)).starts_with("unclear"));

        let retrying = of_invited(&failed_with("timeout", queued), None, now);
        assert_eq!(retrying.words, "trying again");
        assert_eq!(retrying.at, Some(now + MINUTE));
        assert_eq!(retrying.detail.as_deref(), Some("timeout"));
    }

    #[test]
    fn a_failed_invitation_leads_to_its_page_and_its_error_is_shortened() {
        let now = Timestamp::UNIX_EPOCH;
        let failed = invitation(InvitationStatus::Failed, now);
        let progress = of_invited(&failed_with(&"é".repeat(10_000), failed), None, now);
        assert!(progress.is_bad && progress.invitation.is_some());
        assert_eq!(progress.detail.unwrap().chars().count(), MAX_ERROR + 1);
    }
}
