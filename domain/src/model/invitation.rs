//! Invitations: their states, and the transitions between them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{Actor, Email, InvitationId, Metadata, Name, Role, UserId, is_credible};

/// The minimum time between two mails of any kind to one address. Source: Stytch's limit of one
/// mail per second and address.
pub const MAIL_INTERVAL: Duration = Duration::from_secs(1);

/// An invitation of one person.
#[derive(Debug, Clone, PartialEq)]
pub struct Invitation {
    pub id: InvitationId,
    pub user_id: UserId,
    pub email: Email,
    /// The invitee's name, as given by the inviter.
    pub name: Option<Name>,
    /// The role granted by accepting.
    pub role: Role,
    /// The application's metadata, copied to the user when the invitation is accepted.
    pub metadata: Metadata,
    /// The page to open after the login; validated.
    pub return_to: Option<ReturnTo>,
    pub invited_by: Actor,
    pub status: InvitationStatus,
    /// The number of the current delivery, from 1. Each resend increments it, which makes jobs of
    /// earlier deliveries obsolete.
    pub delivery: i32,
    /// The number of counted attempts of this delivery. Those that were snoozed, for example by a rate
    /// limit, are not counted; those whose worker stopped are.
    pub attempts: u32,
    pub next_attempt_at: Option<Timestamp>,
    pub held_by: Option<HeldBy>,
    pub last_error: Option<DeliveryError>,
    /// Start of the first attempt whose outcome is unknown; cleared once an attempt is known to have
    /// sent nothing.
    pub in_doubt_since: Option<Timestamp>,
    /// Whether a login link is sent instead, because the address has an identity already.
    pub as_login: bool,
    pub created_at: Timestamp,
    pub resent_at: Option<Timestamp>,
    /// When the provider accepted the mail.
    pub sent_at: Option<Timestamp>,
    /// When the link was first opened. Known only where links carry the invitation's id.
    pub visited_at: Option<Timestamp>,
    pub accepted_at: Option<Timestamp>,
    /// When the link expires; a resend extends it.
    pub expires_at: Timestamp,
    pub version: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationStatus {
    /// Waiting to be sent, or being sent.
    Queued,
    /// The provider accepted the mail.
    Sent,
    /// The invitee logged in.
    Accepted,
    /// The delivery failed permanently.
    Failed,
    Expired,
    Revoked,
}

/// What holds a delivery back. None of these costs an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum HeldBy {
    /// The provider's rate limit, or Guestlist's own limit below it.
    RateLimit,
    /// The provider is unavailable.
    ProviderDown,
    /// The provider rejects the credentials or settings.
    Misconfigured,
    Paused,
}

impl InvitationStatus {
    /// Returns whether the invitation can still be accepted: it is queued or sent.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Sent)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryError {
    /// The provider's error code, or `timeout`, `connect` and the like where it gave none.
    pub code: String,
    pub message: String,
    pub at: Timestamp,
}

/// A validated redirect target: an absolute URL of an allowed origin, or a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Wraps a target that the caller has validated.
    pub fn checked(target: String) -> Self {
        Self(target)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The invitation's state does not permit the transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTransition;

impl Invitation {
    pub const RESEND_COOLDOWN: Duration = Duration::from_secs(30);
    /// The error code of an invitation whose delivery was cancelled by an operator.
    pub const CANCELLED: &str = "cancelled";

    /// Returns whether the invitation is open and not expired at `now`.
    pub fn can_be_accepted(&self, now: Timestamp) -> bool {
        self.status.is_open() && now < self.expires_at
    }

    /// Returns when the current delivery was requested.
    pub fn requested_at(&self) -> Timestamp {
        self.resent_at.unwrap_or(self.created_at)
    }

    /// Records that the provider accepted the mail.
    pub fn mark_sent(&mut self, attempts: u32, now: Timestamp) -> Result<(), InvalidTransition> {
        self.require(InvitationStatus::Queued)?;
        self.status = InvitationStatus::Sent;
        self.sent_at = Some(now);
        self.attempts = attempts;
        self.last_error = None;
        self.in_doubt_since = None;
        self.clear_schedule();
        Ok(())
    }

    /// Holds the delivery back until `next`. Costs no attempt.
    pub fn hold(&mut self, by: HeldBy, next: Timestamp) -> Result<(), InvalidTransition> {
        self.postpone(next)?;
        self.held_by = Some(by);
        Ok(())
    }

    /// Moves the next attempt to `next` without a reason to show. Costs no attempt.
    pub fn postpone(&mut self, next: Timestamp) -> Result<(), InvalidTransition> {
        self.require(InvitationStatus::Queued)?;
        self.held_by = None;
        self.next_attempt_at = Some(next);
        Ok(())
    }

    /// Records a failed attempt and schedules another at `next`.
    pub fn mark_attempt_failed(
        &mut self,
        attempts: u32,
        error: DeliveryError,
        next: Timestamp,
    ) -> Result<(), InvalidTransition> {
        self.postpone(next)?;
        self.attempts = attempts;
        self.last_error = Some(error);
        Ok(())
    }

    pub fn mark_failed(
        &mut self,
        attempts: u32,
        error: DeliveryError,
    ) -> Result<(), InvalidTransition> {
        self.require(InvitationStatus::Queued)?;
        self.status = InvitationStatus::Failed;
        self.attempts = attempts;
        self.last_error = Some(error);
        self.clear_schedule();
        Ok(())
    }

    /// Records that the invitee logged in. This can happen while the invitation is still queued: the
    /// invitee may open the link before the worker records that the mail was sent.
    pub fn mark_accepted(&mut self, now: Timestamp) -> Result<(), InvalidTransition> {
        if !self.can_be_accepted(now) {
            return Err(InvalidTransition);
        }
        self.status = InvitationStatus::Accepted;
        self.accepted_at = Some(now);
        self.clear_schedule();
        Ok(())
    }

    pub fn mark_expired(&mut self, now: Timestamp) -> Result<(), InvalidTransition> {
        if !self.status.is_open() || now < self.expires_at {
            return Err(InvalidTransition);
        }
        self.status = InvitationStatus::Expired;
        self.clear_schedule();
        Ok(())
    }

    /// Revokes the invitation, unless it was accepted or revoked before.
    pub fn mark_revoked(&mut self) -> Result<(), InvalidTransition> {
        self.require_neither_accepted_nor_revoked()?;
        self.status = InvitationStatus::Revoked;
        self.clear_schedule();
        Ok(())
    }

    /// Queues the invitation for another delivery, with a link that works until `expires_at`.
    pub fn requeue(
        &mut self,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), InvalidTransition> {
        self.require_neither_accepted_nor_revoked()?;
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

    /// Returns how long until another resend may be requested; `None` if it may be now.
    pub fn resend_wait(&self, now: Timestamp) -> Option<Duration> {
        let resent_at = self.resent_at.filter(|resent_at| is_credible(*resent_at, now))?;
        let free_at = resent_at + Self::RESEND_COOLDOWN;
        (now < free_at).then(|| free_at.duration_since(now).unsigned_abs())
    }

    /// Returns the earliest time of another mail to the address.
    pub fn next_mail_at(&self, now: Timestamp) -> Timestamp {
        let last = match self.status {
            InvitationStatus::Sent | InvitationStatus::Accepted => self.sent_at,
            InvitationStatus::Failed => self.last_error.as_ref().map(|error| error.at),
            // It was queued until its last transition, so a mail may be on its way at this moment.
            _ => self.sent_at.or(Some(now)),
        };
        let last = last.filter(|last| is_credible(*last, now));
        last.map_or(now, |last| now.max(last + MAIL_INTERVAL))
    }

    /// Returns whether a mail that was sent nevertheless must be invalidated: the invitation was
    /// revoked, or its delivery cancelled.
    pub fn is_revoked_or_cancelled(&self) -> bool {
        self.status == InvitationStatus::Revoked || self.is_cancelled()
    }

    /// Returns whether an operator cancelled the delivery.
    pub fn is_cancelled(&self) -> bool {
        let has_failed = self.status == InvitationStatus::Failed;
        has_failed && self.last_error.as_ref().is_some_and(|e| e.code == Self::CANCELLED)
    }

    fn clear_schedule(&mut self) {
        self.held_by = None;
        self.next_attempt_at = None;
    }

    fn require(&self, status: InvitationStatus) -> Result<(), InvalidTransition> {
        if self.status == status { Ok(()) } else { Err(InvalidTransition) }
    }

    fn require_neither_accepted_nor_revoked(&self) -> Result<(), InvalidTransition> {
        match self.status {
            InvitationStatus::Accepted | InvitationStatus::Revoked => Err(InvalidTransition),
            _ => Ok(()),
        }
    }
}
