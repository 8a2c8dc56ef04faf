//! Records a delivery: on the invitation, in its timeline, and on its user.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::delivery::{EarlierCall, SendInvitation};
use crate::jobs::job::{attempt_detail, held_by, retry_or_give_up};
use crate::jobs::revoke::RevokeInvitation;
use crate::{
    Actor, Attempt, Change, Ctx, DeliveryError, Event, EventKind, HeldBy, Invitation, Job,
    JobError, JobOutcome, MAIL_INTERVAL, ProviderError, ProviderErrorKind, SentMail, StoreResult,
    Update, User,
};

/// The delay before a failed search is repeated.
const SEARCH_PAUSE: Duration = Duration::from_secs(5);

/// Composes the change that records an attempt at a delivery.
pub(super) struct Recorder<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) delivery: SendInvitation,
    pub(super) attempt: &'a Attempt,
    /// The invitation as it was read.
    pub(super) before: Invitation,
    pub(super) invitation: Invitation,
    /// The invitation's user, if it was read before the call.
    pub(super) user: Option<User>,
    pub(super) change: Change,
}

/// A call to the provider.
pub(super) struct Call {
    pub(super) took: Duration,
    pub(super) earlier: EarlierCall,
}

impl Recorder<'_> {
    /// Counts attempts whose workers stopped before they reported. Each may have sent the mail.
    pub(super) fn record_lost_attempts(&mut self, since: Option<Timestamp>) {
        let end = self.attempt.number.min(self.attempt.max_attempts + 1);
        let lost = self.invitation.attempts + 1..end;
        if !self.is_wanted() || lost.is_empty() {
            return;
        }
        self.invitation.attempts = end - 1;
        self.invitation.in_doubt_since = since;
        for number in lost {
            let detail = json!({ "number": number, "outcome": "lost", "code": "worker_lost" });
            self.add_event(EventKind::Attempted, detail.clone());
            self.add_event(EventKind::Doubtful, detail);
        }
    }

    /// Records an outage that delayed the attempt, unless it was recorded before.
    pub(super) fn record_outage(&mut self) {
        let outage = self.attempt.outage.filter(|outage| outage.to <= self.attempt.started_at);
        let (Some(outage), Some(due)) = (outage, self.invitation.next_attempt_at) else { return };
        let is_recorded = self.invitation.held_by == Some(outage.by);
        if due >= outage.to || is_recorded || !self.is_wanted() {
            return;
        }
        let detail = json!({ "by": outage.by.as_str(), "until": format!("{:.3}", outage.to) });
        let event = self.event(EventKind::Held, detail);
        self.change.events.push(Event { at: due.max(outage.from), ..event });
    }

    /// Records that the provider accepted the mail.
    pub(super) fn record_sent(&mut self, call: &Call, mail: &SentMail) {
        let mut detail = self.call_detail(call, None);
        detail["request_id"] = json!(mail.request_id);
        self.add_event(EventKind::Attempted, detail);
        if self.mark_sent(self.attempt.number) {
            self.update_invitation();
            self.add_event(EventKind::Sent, Value::Null);
        } else if self.invitation.is_revoked_or_cancelled() {
            // It was revoked while the mail was being sent, so the new link must be invalidated too.
            self.change.jobs.push(RevokeInvitation::job_for(self.ctx, &self.invitation));
        }
    }

    /// Records that an earlier call had sent the mail.
    pub(super) fn record_found(&mut self) {
        let calls = self.attempt.number.saturating_sub(1).max(1);
        if self.mark_sent(calls) {
            self.update_invitation();
            self.add_event(EventKind::Sent, json!({ "found": true }));
        }
    }

    /// Records a call that failed. Returns the outcome of the attempt.
    pub(super) fn record_error(
        &mut self,
        call: &Call,
        error: &ProviderError,
        outcome: JobOutcome,
    ) -> JobOutcome {
        // Invitations are for addresses without an active identity; the others get a login link.
        let becomes_login =
            error.kind == ProviderErrorKind::AddressTaken && !self.invitation.as_login;
        let outcome = if becomes_login { self.retry_as_login(error) } else { outcome };
        if let Some(by) = held_by(error) {
            return self.record_hold(by, outcome);
        }
        let detail = self.call_detail(call, Some(&error.into()));
        self.add_event(EventKind::Attempted, detail);
        if call.earlier == EarlierCall::NotSent {
            self.invitation.in_doubt_since = None;
        }
        if error.kind == ProviderErrorKind::Doubtful {
            self.record_doubt(&error.code);
        }
        self.invitation.as_login |= becomes_login;
        self.record_failure(outcome)
    }

    /// Records an attempt that panicked or timed out. Its call may have been made.
    pub(super) fn record_crash(&mut self, error: &JobError) -> JobOutcome {
        let took = self.ctx.now().duration_since(self.attempt.started_at).unsigned_abs();
        let detail = attempt_detail(self.attempt, Some(error), took);
        self.add_event(EventKind::Attempted, detail);
        self.record_doubt(&error.code);
        let retry = SendInvitation::RETRY;
        self.record_failure(retry_or_give_up(self.ctx, retry, self.attempt, error.clone()))
    }

    /// Records that the outcome of an earlier call could not be determined. The search is repeated,
    /// which costs no attempt.
    pub(super) fn record_unknown(
        &mut self,
        error: &ProviderError,
        outcome: JobOutcome,
    ) -> JobOutcome {
        if let Some(by) = held_by(error) {
            return self.record_hold(by, outcome);
        }
        let next = self.ctx.now() + SEARCH_PAUSE.mul_f64(1.0 + 0.5 * self.ctx.ids.jitter());
        if self.is_wanted() && self.invitation.postpone(next).is_ok() {
            self.update_invitation();
        }
        JobOutcome::Snooze(next, error.into())
    }

    /// Records what holds the delivery back, if the invitation still waits for it.
    fn record_hold(&mut self, by: HeldBy, outcome: JobOutcome) -> JobOutcome {
        let JobOutcome::Snooze(next, error) = &outcome else { return outcome };
        let is_new = self.invitation.held_by != Some(by);
        if self.is_wanted() && self.invitation.hold(by, *next).is_ok() {
            self.update_invitation();
            if is_new {
                self.add_event(EventKind::Held, json!({ "by": by.as_str(), "code": error.code }));
            }
        }
        outcome
    }

    /// Records that the attempt may have sent the mail.
    fn record_doubt(&mut self, code: &str) {
        let detail = json!({ "number": self.attempt.number, "code": code });
        self.add_event(EventKind::Doubtful, detail);
        self.invitation.in_doubt_since.get_or_insert(self.attempt.started_at);
    }

    /// Records a failed attempt, if the invitation still waits for this delivery.
    pub(super) fn record_failure(&mut self, outcome: JobOutcome) -> JobOutcome {
        if !self.is_wanted() {
            // The queue itself ends a job that was cancelled while it ran, and lets it be retried.
            let is_cancelled = self.invitation.is_cancelled() && self.is_current();
            return if is_cancelled { outcome } else { JobOutcome::Done };
        }
        let attempts = self.attempt.number.min(self.attempt.max_attempts);
        let (error, next) = match outcome {
            // No attempt is made after the invitation has expired.
            JobOutcome::Retry(next, error) if next < self.invitation.expires_at => {
                (error, Some(next))
            }
            JobOutcome::Retry(_, error) | JobOutcome::Dead(error) => (error, None),
            JobOutcome::Done | JobOutcome::Snooze(..) => return outcome,
        };
        let (code, message) = (error.code.clone(), error.message.clone());
        let recorded = DeliveryError { code, message, at: self.ctx.now() };
        let transition = match next {
            Some(next) => self.invitation.mark_attempt_failed(attempts, recorded, next),
            None => self.invitation.mark_failed(attempts, recorded),
        };
        if transition.is_err() {
            return JobOutcome::Done;
        }
        self.update_invitation();
        if let Some(next) = next {
            return JobOutcome::Retry(next, error);
        }
        let detail = json!({ "code": error.code, "attempts": attempts });
        self.add_event(EventKind::Failed, detail);
        JobOutcome::Dead(error)
    }

    /// Links the identity of the mail's address to the user.
    pub(super) async fn link_identity(&mut self, identity: &str) -> StoreResult<()> {
        let store = &self.ctx.store;
        let (user, is_taken) = match self.user.take() {
            // If the identity belongs to another user, the change conflicts and is decided again.
            Some(user) => (Some(user), false),
            // An identity can have several addresses, but belongs to one user.
            None => (
                store.user(self.invitation.user_id).await?,
                store.user_by_provider_id(identity).await?.is_some(),
            ),
        };
        let user = user.filter(|user| user.provider_user_id.as_deref() != Some(identity));
        if let (Some(before), false) = (user, is_taken) {
            let mut after = before.clone();
            after.provider_user_id = Some(identity.to_owned());
            self.change.users.update.push(Update { before, after });
        }
        Ok(())
    }

    fn mark_sent(&mut self, calls: u32) -> bool {
        self.is_current() && self.invitation.mark_sent(calls, self.ctx.now()).is_ok()
    }

    /// Returns whether the invitation was not resent since.
    fn is_current(&self) -> bool {
        self.invitation.delivery == self.delivery.delivery
    }

    fn is_wanted(&self) -> bool {
        self.delivery.is_wanted(&self.invitation)
    }

    pub(super) fn update_invitation(&mut self) {
        let (before, after) = (self.before.clone(), self.invitation.clone());
        self.change.invitations.update.push(Update { before, after });
    }

    fn add_event(&mut self, kind: EventKind, detail: Value) {
        let event = self.event(kind, detail);
        self.change.events.push(event);
    }

    fn event(&self, kind: EventKind, detail: Value) -> Event {
        self.ctx.invitation_event(kind, &self.invitation, &Actor::System, detail)
    }

    fn call_detail(&self, call: &Call, error: Option<&JobError>) -> Value {
        let mut detail = attempt_detail(self.attempt, error, call.took);
        match call.earlier {
            EarlierCall::None => {}
            EarlierCall::NotSent => detail["earlier_call"] = json!("not_sent"),
            EarlierCall::Unknown => detail["earlier_call"] = json!("unknown"),
        }
        detail
    }

    /// Schedules a login link in place of a rejected invitation. The rejected call may count towards
    /// the limit of one mail per second and address.
    fn retry_as_login(&self, error: &ProviderError) -> JobOutcome {
        let retry = SendInvitation::RETRY;
        match retry_or_give_up(self.ctx, retry, self.attempt, error.into()) {
            JobOutcome::Retry(_, error) => {
                let pause = MAIL_INTERVAL.mul_f64(1.0 + 0.2 * self.ctx.ids.jitter());
                JobOutcome::Retry(self.ctx.now() + pause, error)
            }
            other => other,
        }
    }
}
