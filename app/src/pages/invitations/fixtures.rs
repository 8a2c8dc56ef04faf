//! An invitation and its times, for tests.

use guestlist_domain::{
    Actor, DeliveryError, Email, Invitation, InvitationId, InvitationStatus, Metadata, Role, UserId,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

pub fn now() -> Timestamp {
    "2026-11-29T14:32:00Z".parse().unwrap()
}

pub fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// Returns an invitation that was requested ten minutes ago and expires in ten.
pub fn invitation(status: InvitationStatus) -> Invitation {
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
        next_attempt_at: None,
        held_by: None,
        last_error: None,
        in_doubt_since: None,
        as_login: false,
        created_at: ago(600),
        resent_at: None,
        sent_at: None,
        visited_at: None,
        accepted_at: None,
        expires_at: ago(-600),
        version: 1,
    }
}

/// Returns an invitation with an error.
pub fn with_error(invitation: Invitation, code: &str, attempts: u32) -> Invitation {
    let (code, message) = (code.to_owned(), "no".to_owned());
    Invitation {
        attempts,
        last_error: Some(DeliveryError { code, message, at: ago(2) }),
        ..invitation
    }
}
