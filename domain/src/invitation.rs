//! Invitations: the states of one, and the only ways between them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Actor, Email, InvitationId, Metadata, Name, Role, UserId, is_credible};

/// Stytch takes one mail a second for one address, whatever kind it is.
pub const MAIL_INTERVAL: Duration = Duration::from_secs(1);

/// One asking of one person to come in.
#[derive(Debug, Clone, PartialEq)]
pub struct Invitation {
    /// Ours, for ever.
    pub id: InvitationId,
    /// Who is invited.
    pub user_id: UserId,
    /// Where the mail goes.
    pub email: Email,
    /// What the inviter calls them.
    pub name: Option<Name>,
    /// What they will be here.
    pub role: Role,
    /// The application's own facts; they become the user's on acceptance.
    pub metadata: Metadata,
    /// Where to go after coming in; already checked.
    pub return_to: Option<ReturnTo>,
    /// Who asked.
    pub invited_by: Actor,
    /// Where it stands.
    pub status: InvitationStatus,
    /// How often it has been asked to be sent, from 1: a delivery that belongs to an earlier
    /// asking finds that it is no longer wanted.
    pub delivery: i32,
    /// Calls made to Stytch for this delivery, those answered with 429 not counted.
    pub attempts: u32,
    /// When the next call is due.
    pub next_attempt_at: Option<Timestamp>,
    /// What keeps it waiting, other than its turn.
    pub held_by: Option<HeldBy>,
    /// Why the last call failed.
    pub last_error: Option<DeliveryError>,
    /// Since when the mail may be out all the same: when the first call began whose answer was
    /// lost, of those since the last that is known to have done nothing.
    pub in_doubt_since: Option<Timestamp>,
    /// Whether a login link is sent instead, because the address is somebody's at Stytch already.
    pub as_login: bool,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was last asked to be sent again.
    pub resent_at: Option<Timestamp>,
    /// When Stytch took the mail.
    pub sent_at: Option<Timestamp>,
    /// When the link was first opened, where links carry the id.
    pub visited_at: Option<Timestamp>,
    /// When the person came in.
    pub accepted_at: Option<Timestamp>,
    /// When the link stops working; counted from the (last) asking.
    pub expires_at: Timestamp,
    /// Raised by each write.
    pub version: i64,
}

/// Where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationStatus {
    /// To be sent, or being sent.
    Queued,
    /// Stytch answered that it took the mail.
    Sent,
    /// The person came in.
    Accepted,
    /// It could not be sent and will not be tried again by itself.
    Failed,
    /// Its time ran out.
    Expired,
    /// Taken back.
    Revoked,
}

crate::user::words!(InvitationStatus {
    Queued = "queued",
    Sent = "sent",
    Accepted = "accepted",
    Failed = "failed",
    Expired = "expired",
    Revoked = "revoked",
});

impl InvitationStatus {
    /// Whether the person can come in by it: queued or sent.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Sent)
    }
}

/// What keeps an invitation waiting. None of these costs it an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeldBy {
    /// Stytch, or our own pacing below its limit.
    RateLimit,
    /// Stytch can't be reached.
    ProviderDown,
    /// Stytch refuses our credentials or settings.
    Misconfigured,
    /// An operator paused the queue.
    Paused,
}

crate::user::words!(HeldBy {
    RateLimit = "rate_limit",
    ProviderDown = "provider_down",
    Misconfigured = "misconfigured",
    Paused = "paused",
});

/// Why a call to Stytch did not send the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryError {
    /// Stytch's `error_type`, or ours for what never reached it (`timeout`, `connect`).
    pub code: String,
    /// For people.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// A place to go after coming in: an absolute URL of an allowed origin, or a path of ours.
/// Whoever makes one has checked it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Takes a place that has been checked.
    pub fn checked(place: String) -> Self {
        Self(place)
    }

    /// The URL or path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What cannot happen to an invitation where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTransition;

impl Invitation {
    /// The time between two askings to send it again.
    pub const RESEND_COOLDOWN: Duration = Duration::from_secs(30);
    /// The code of one whose delivery an operator withdrew.
    pub const CANCELLED: &str = "cancelled";

    /// Whether the person can come in by it at `now`.
    pub fn can_be_accepted(&self, now: Timestamp) -> bool {
        self.status.is_open() && now < self.expires_at
    }

    /// When it was last asked for.
    pub fn requested_at(&self) -> Timestamp {
        self.resent_at.unwrap_or(self.created_at)
    }

    /// Stytch took the mail.
    pub fn sent(&mut self, attempts: u32, now: Timestamp) -> Result<(), InvalidTransition> {
        self.require(InvitationStatus::Queued)?;
        self.status = InvitationStatus::Sent;
        self.sent_at = Some(now);
        self.attempts = attempts;
        self.last_error = None;
        self.in_doubt_since = None;
        self.rest();
        Ok(())
    }

    /// Sending waits until `next`, which costs no attempt.
    pub fn held(&mut self, by: HeldBy, next: Timestamp) -> Result<(), InvalidTransition> {
        self.require(InvitationStatus::Queued)?;
        self.held_by = Some(by);
        self.next_attempt_at = Some(next);
        Ok(())
    }

    /// Sending waits until `next`, which costs no attempt and has no reason worth telling.
    pub fn put_off(&mut self, next: Timestamp) -> Result<(), InvalidTransition> {
        self.require(InvitationStatus::Queued)?;
        self.held_by = None;
        self.next_attempt_at = Some(next);
        Ok(())
    }

    /// A call failed; another is due at `next`.
    pub fn attempt_failed(
        &mut self,
        attempts: u32,
        error: DeliveryError,
        next: Timestamp,
    ) -> Result<(), InvalidTransition> {
        self.require(InvitationStatus::Queued)?;
        self.attempts = attempts;
        self.last_error = Some(error);
        self.held_by = None;
        self.next_attempt_at = Some(next);
        Ok(())
    }

    /// It will not be tried again by itself.
    pub fn failed(&mut self, attempts: u32, error: DeliveryError) -> Result<(), InvalidTransition> {
        self.require(InvitationStatus::Queued)?;
        self.status = InvitationStatus::Failed;
        self.attempts = attempts;
        self.last_error = Some(error);
        self.rest();
        Ok(())
    }

    /// The person came in. From `queued` too: they can be faster than our record.
    pub fn accepted(&mut self, now: Timestamp) -> Result<(), InvalidTransition> {
        if !self.can_be_accepted(now) {
            return Err(InvalidTransition);
        }
        self.status = InvitationStatus::Accepted;
        self.accepted_at = Some(now);
        self.rest();
        Ok(())
    }

    /// Its time ran out.
    pub fn expired(&mut self, now: Timestamp) -> Result<(), InvalidTransition> {
        if !self.status.is_open() || now < self.expires_at {
            return Err(InvalidTransition);
        }
        self.status = InvitationStatus::Expired;
        self.rest();
        Ok(())
    }

    /// Taken back, for ever. What was accepted can't be; what ended otherwise can.
    pub fn revoked(&mut self) -> Result<(), InvalidTransition> {
        if matches!(self.status, InvitationStatus::Accepted | InvitationStatus::Revoked) {
            return Err(InvalidTransition);
        }
        self.status = InvitationStatus::Revoked;
        self.rest();
        Ok(())
    }

    /// To be sent once more, with a new link that works until `expires_at`.
    pub fn resent(
        &mut self,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), InvalidTransition> {
        if matches!(self.status, InvitationStatus::Accepted | InvitationStatus::Revoked) {
            return Err(InvalidTransition);
        }
        self.next_attempt_at = Some(self.next_mail_at(now));
        self.status = InvitationStatus::Queued;
        self.attempts = 0;
        self.last_error = None;
        self.in_doubt_since = None;
        self.held_by = None;
        self.sent_at = None;
        self.visited_at = None;
        self.resent_at = Some(now);
        self.expires_at = expires_at;
        Ok(())
    }

    /// How long to wait before it may be sent again.
    pub fn resend_wait(&self, now: Timestamp) -> Option<Duration> {
        let resent_at = self.resent_at.filter(|resent_at| is_credible(*resent_at, now))?;
        let free_at = resent_at + Self::RESEND_COOLDOWN;
        (now < free_at).then(|| free_at.duration_since(now).unsigned_abs())
    }

    /// When the address may get another mail.
    pub fn next_mail_at(&self, now: Timestamp) -> Timestamp {
        let last = match self.status {
            InvitationStatus::Sent | InvitationStatus::Accepted => self.sent_at,
            InvitationStatus::Failed => self.last_error.as_ref().map(|error| error.at),
            // It was queued until then, and one may be on its way at this moment.
            _ => self.sent_at.or(Some(now)),
        };
        let last = last.filter(|last| is_credible(*last, now));
        last.map_or(now, |last| now.max(last + MAIL_INTERVAL))
    }

    /// Whether it was taken back or its delivery withdrawn: a mail that was on its way all the
    /// same must not let anybody in.
    pub fn is_withdrawn(&self) -> bool {
        self.status == InvitationStatus::Revoked || self.is_cancelled()
    }

    /// Whether its delivery was withdrawn.
    pub fn is_cancelled(&self) -> bool {
        let has_failed = self.status == InvitationStatus::Failed;
        has_failed && self.last_error.as_ref().is_some_and(|e| e.code == Self::CANCELLED)
    }

    /// Nothing more is due.
    fn rest(&mut self) {
        self.held_by = None;
        self.next_attempt_at = None;
    }

    fn require(&self, status: InvitationStatus) -> Result<(), InvalidTransition> {
        if self.status == status { Ok(()) } else { Err(InvalidTransition) }
    }
}
