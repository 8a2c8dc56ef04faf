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
};

/// The delay before a failed search is repeated.
const SEARCH_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Call<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) took: Duration,
    pub(super) earlier: EarlierCall,
}

impl Call<'_> {
    fn detail(&self, error: Option<&JobError>) -> Value {
        let mut detail = attempt_detail(self.attempt, error, self.took);
        match self.earlier {
            EarlierCall::None => {}
            EarlierCall::NotSent => detail["earlier_call"] = json!("not_sent"),
            EarlierCall::Unknown => detail["earlier_call"] = json!("unknown"),
        }
        detail
    }
}

impl SendInvitation {
    /// Counts attempts whose workers stopped before they reported, and returns their events. Each may
    /// have sent the mail.
    pub(super) fn record_lost_attempts(
        self,
        ctx: &Ctx,
        invitation: &mut Invitation,
        attempt: &Attempt,
        since: Option<Timestamp>,
    ) -> Vec<Event> {
        let lost = invitation.attempts + 1..attempt.number.min(attempt.max_attempts + 1);
        if !self.is_wanted(invitation) || lost.is_empty() {
            return Vec::new();
        }
        invitation.attempts = lost.end - 1;
        invitation.in_doubt_since = since;
        let event = |kind, number: u32| {
            let detail = json!({ "number": number, "outcome": "lost", "code": "worker_lost" });
            system_event(ctx, kind, invitation, detail)
        };
        lost.flat_map(|number| {
            [event(EventKind::Attempted, number), event(EventKind::Doubtful, number)]
        })
        .collect()
    }

    /// Records an outage that delayed the attempt, unless it was recorded before.
    pub(super) fn record_outage(
        self,
        ctx: &Ctx,
        change: Change,
        invitation: &Invitation,
        attempt: &Attempt,
    ) -> Change {
        let outage = attempt.outage.filter(|outage| outage.to <= attempt.started_at);
        let (Some(outage), Some(due)) = (outage, invitation.next_attempt_at) else { return change };
        let is_recorded = invitation.held_by == Some(outage.by);
        if due >= outage.to || is_recorded || !self.is_wanted(invitation) {
            return change;
        }
        let detail = json!({ "by": outage.by.as_str(), "until": format!("{:.3}", outage.to) });
        let event = system_event(ctx, EventKind::Held, invitation, detail);
        change.event(Event { at: due.max(outage.from), ..event })
    }

    /// Records that the provider accepted the mail.
    pub(super) fn record_sent(
        self,
        ctx: &Ctx,
        change: Change,
        mut invitation: Invitation,
        call: &Call<'_>,
        mail: &SentMail,
    ) -> Change {
        let mut detail = call.detail(None);
        detail["request_id"] = json!(mail.request_id);
        let attempted = system_event(ctx, EventKind::Attempted, &invitation, detail);
        let change = change.event(attempted);
        let is_current = invitation.delivery == self.delivery;
        if is_current && invitation.mark_sent(call.attempt.number, ctx.now()).is_ok() {
            let event = system_event(ctx, EventKind::Sent, &invitation, Value::Null);
            return change.update_invitation(invitation).event(event);
        }
        if invitation.is_revoked_or_cancelled() {
            // It was revoked while the mail was being sent, so the new link must be invalidated too.
            return change.job(RevokeInvitation::job_for(ctx, &invitation));
        }
        change
    }

    /// Records that an earlier call had sent the mail.
    pub(super) fn record_found(
        self,
        ctx: &Ctx,
        change: Change,
        mut invitation: Invitation,
        attempt: &Attempt,
    ) -> Change {
        let calls = attempt.number.saturating_sub(1).max(1);
        let is_current = invitation.delivery == self.delivery;
        if !is_current || invitation.mark_sent(calls, ctx.now()).is_err() {
            return change;
        }
        let event = system_event(ctx, EventKind::Sent, &invitation, json!({ "found": true }));
        change.update_invitation(invitation).event(event)
    }

    pub(super) fn record_error(
        self,
        ctx: &Ctx,
        change: Change,
        mut invitation: Invitation,
        call: &Call<'_>,
        error: &ProviderError,
        outcome: JobOutcome,
    ) -> (JobOutcome, Change) {
        // Invitations are for addresses without an active identity; the others get a login link.
        let becomes_login = error.kind == ProviderErrorKind::AddressTaken && !invitation.as_login;
        let outcome =
            if becomes_login { retry_as_login(ctx, call.attempt, error) } else { outcome };
        if let Some(by) = held_by(error) {
            return self.record_hold(ctx, change, invitation, by, outcome);
        }
        let detail = call.detail(Some(&JobError::from(error)));
        let mut change = change.event(system_event(ctx, EventKind::Attempted, &invitation, detail));
        if call.earlier == EarlierCall::NotSent {
            invitation.in_doubt_since = None;
        }
        if error.kind == ProviderErrorKind::Doubtful {
            change = change.event(doubtful_event(ctx, &invitation, call.attempt, &error.code));
            invitation.in_doubt_since.get_or_insert(call.attempt.started_at);
        }
        invitation.as_login |= becomes_login;
        self.record_failure(ctx, change, invitation, call.attempt, outcome)
    }

    /// Records an attempt that panicked or timed out. Its call may have been made.
    pub(super) fn record_crash(
        self,
        ctx: &Ctx,
        change: Change,
        mut invitation: Invitation,
        attempt: &Attempt,
        error: &JobError,
    ) -> (JobOutcome, Change) {
        let took = ctx.now().duration_since(attempt.started_at).unsigned_abs();
        let detail = attempt_detail(attempt, Some(error), took);
        let attempted = system_event(ctx, EventKind::Attempted, &invitation, detail);
        let doubtful = doubtful_event(ctx, &invitation, attempt, &error.code);
        invitation.in_doubt_since.get_or_insert(attempt.started_at);
        let outcome = retry_or_give_up(ctx, Self::RETRY, attempt, error.clone());
        let change = change.event(attempted).event(doubtful);
        self.record_failure(ctx, change, invitation, attempt, outcome)
    }

    /// Records that the outcome of an earlier call could not be determined. The search is repeated,
    /// which costs no attempt.
    pub(super) fn record_unknown(
        self,
        ctx: &Ctx,
        change: Change,
        mut invitation: Invitation,
        error: &ProviderError,
        outcome: JobOutcome,
    ) -> (JobOutcome, Change) {
        if let Some(by) = held_by(error) {
            return self.record_hold(ctx, change, invitation, by, outcome);
        }
        let next = ctx.now() + SEARCH_PAUSE.mul_f64(1.0 + 0.5 * ctx.ids.jitter());
        let outcome = JobOutcome::Snooze(next, error.into());
        if !self.is_wanted(&invitation) || invitation.postpone(next).is_err() {
            return (outcome, change);
        }
        (outcome, change.update_invitation(invitation))
    }

    /// Records what holds the delivery back, if the invitation still waits for it.
    fn record_hold(
        self,
        ctx: &Ctx,
        change: Change,
        mut invitation: Invitation,
        by: HeldBy,
        outcome: JobOutcome,
    ) -> (JobOutcome, Change) {
        let JobOutcome::Snooze(next, error) = &outcome else { return (outcome, change) };
        let is_new = invitation.held_by != Some(by);
        if !self.is_wanted(&invitation) || invitation.hold(by, *next).is_err() {
            return (outcome, change);
        }
        let detail = json!({ "by": by.as_str(), "code": error.code });
        let held = system_event(ctx, EventKind::Held, &invitation, detail);
        let change = change.update_invitation(invitation);
        (outcome, if is_new { change.event(held) } else { change })
    }

    /// Records a failed attempt, if the invitation still waits for this delivery.
    pub(super) fn record_failure(
        self,
        ctx: &Ctx,
        change: Change,
        mut invitation: Invitation,
        attempt: &Attempt,
        outcome: JobOutcome,
    ) -> (JobOutcome, Change) {
        if !self.is_wanted(&invitation) {
            // The queue itself ends a job that was cancelled while it ran, and lets it be retried.
            let is_cancelled = invitation.is_cancelled() && invitation.delivery == self.delivery;
            return (if is_cancelled { outcome } else { JobOutcome::Done }, change);
        }
        let attempts = attempt.number.min(attempt.max_attempts);
        let (error, next) = match outcome {
            // No attempt is made after the invitation has expired.
            JobOutcome::Retry(next, error) if next < invitation.expires_at => (error, Some(next)),
            JobOutcome::Retry(_, error) | JobOutcome::Dead(error) => (error, None),
            JobOutcome::Done | JobOutcome::Snooze(..) => return (outcome, change),
        };
        let recorded = DeliveryError {
            code: error.code.clone(),
            message: error.message.clone(),
            at: ctx.now(),
        };
        let detail = json!({ "code": error.code, "attempts": attempts });
        let (outcome, transition) = match next {
            Some(next) => (
                JobOutcome::Retry(next, error),
                invitation.mark_attempt_failed(attempts, recorded, next),
            ),
            None => (JobOutcome::Dead(error), invitation.mark_failed(attempts, recorded)),
        };
        if transition.is_err() {
            return (JobOutcome::Done, change);
        }
        let failed =
            next.is_none().then(|| system_event(ctx, EventKind::Failed, &invitation, detail));
        let mut change = change.update_invitation(invitation);
        change.events.extend(failed);
        (outcome, change)
    }

    /// Links the identity of the mail's address to the user.
    pub(super) async fn link_identity(
        self,
        ctx: &Ctx,
        change: Change,
        identity: &str,
    ) -> StoreResult<Change> {
        let Some(invitation) = ctx.store.invitation(self.invitation).await? else {
            return Ok(change);
        };
        let Some(mut user) = ctx.store.user(invitation.user_id).await? else { return Ok(change) };
        // An identity can have several addresses, but belongs to one user.
        if user.provider_user_id.as_deref() == Some(identity)
            || ctx.store.user_by_provider_id(identity).await?.is_some()
        {
            return Ok(change);
        }
        user.provider_user_id = Some(identity.to_owned());
        Ok(change.update_user(user))
    }
}

fn system_event(ctx: &Ctx, kind: EventKind, invitation: &Invitation, detail: Value) -> Event {
    ctx.invitation_event(kind, invitation, &Actor::System, detail)
}

/// Returns the event of a call that may have sent the mail.
fn doubtful_event(ctx: &Ctx, invitation: &Invitation, attempt: &Attempt, code: &str) -> Event {
    let detail = json!({ "number": attempt.number, "code": code });
    system_event(ctx, EventKind::Doubtful, invitation, detail)
}

/// Schedules a login link in place of a rejected invitation. The rejected call may count towards the
/// limit of one mail per second and address.
fn retry_as_login(ctx: &Ctx, attempt: &Attempt, error: &ProviderError) -> JobOutcome {
    match retry_or_give_up(ctx, SendInvitation::RETRY, attempt, error.into()) {
        JobOutcome::Retry(_, error) => {
            let pause = MAIL_INTERVAL.mul_f64(1.0 + 0.2 * ctx.ids.jitter());
            JobOutcome::Retry(ctx.now() + pause, error)
        }
        other => other,
    }
}
