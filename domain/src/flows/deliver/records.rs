//! What is written of a delivery: on the invitation, in its timeline, on its user.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{EarlierCall, SendInvitation};
use crate::flows::RevokeInvitation;
use crate::flows::outcome::{after_refusal, again, attempt_detail, held_by};
use crate::{
    Actor, Attempt, Change, Ctx, DeliveryError, Event, EventKind, HeldBy, Invitation, InvitationId,
    InvitationStatus, Job, JobError, JobOutcome, MAIL_INTERVAL, ProviderError, ProviderErrorKind,
    SentMail, StoreError,
};

/// Stytch's words for an address that is somebody's there already: from another time, or another
/// application. A login link is the invitation that they can use.
const IS_SOMEBODYS: [&str; 2] = ["duplicate_email", "user_already_invited"];

/// How soon a search is tried again that failed.
const SEARCH_PAUSE: Duration = Duration::from_secs(5);

/// A call that was made.
pub(super) struct Call<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) took: Duration,
    pub(super) doubt: EarlierCall,
}

impl Call<'_> {
    fn detail(&self, error: Option<&JobError>) -> Value {
        let mut detail = attempt_detail(self.attempt, error, self.took.as_millis());
        match self.doubt {
            EarlierCall::None => {}
            EarlierCall::NotSent => detail["earlier_call"] = json!("undone"),
            EarlierCall::Unknown => detail["earlier_call"] = json!("undecided"),
        }
        detail
    }
}

impl SendInvitation {
    /// What the timeline says of attempts whose workers stopped before they could tell: each may
    /// have sent its mail. The invitation counts them from now on, so that they are told once.
    pub(super) fn lost_attempts(
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
            ctx.invitation_event(kind, invitation, &Actor::System, detail)
        };
        lost.flat_map(|number| {
            [event(EventKind::Attempted, number), event(EventKind::Doubtful, number)]
        })
        .collect()
    }

    /// What the timeline says of an outage that it waited out before this call.
    pub(super) fn waited_out(
        self,
        ctx: &Ctx,
        invitation: &Invitation,
        attempt: &Attempt,
    ) -> Option<Event> {
        let outage = attempt.outage.filter(|outage| outage.to <= attempt.started_at)?;
        let due = invitation.next_attempt_at.filter(|due| *due < outage.to)?;
        let is_news = invitation.held_by != Some(outage.by);
        if !self.is_wanted(invitation) || !is_news {
            return None;
        }
        let detail = json!({ "by": outage.by.as_str(), "until": format!("{:.3}", outage.to) });
        let event = ctx.invitation_event(EventKind::Held, invitation, &Actor::System, detail);
        Some(Event { at: due.max(outage.from), ..event })
    }

    pub(super) fn record_sent(
        self,
        ctx: &Ctx,
        mut invitation: Invitation,
        call: &Call<'_>,
        sent: &SentMail,
    ) -> Change {
        let mut detail = call.detail(None);
        detail["request_id"] = json!(sent.request_id);
        let attempted =
            ctx.invitation_event(EventKind::Attempted, &invitation, &Actor::System, detail);
        let change = Change::new().event(attempted);
        if invitation.delivery == self.delivery
            && invitation.sent(call.attempt.number, ctx.now()).is_ok()
        {
            let event =
                ctx.invitation_event(EventKind::Sent, &invitation, &Actor::System, Value::Null);
            return change.update_invitation(invitation).event(event);
        }
        if invitation.is_withdrawn() {
            // That happened while the mail was on its way: that link must die too.
            return change.job(RevokeInvitation::of(&invitation).into_job(ctx));
        }
        change
    }

    /// An earlier call had sent it.
    pub(super) fn record_found(
        self,
        ctx: &Ctx,
        mut invitation: Invitation,
        attempt: &Attempt,
    ) -> Change {
        let calls = attempt.number.saturating_sub(1).max(1);
        if invitation.delivery == self.delivery && invitation.sent(calls, ctx.now()).is_ok() {
            let detail = json!({ "found": true });
            let event = ctx.invitation_event(EventKind::Sent, &invitation, &Actor::System, detail);
            return Change::new().update_invitation(invitation).event(event);
        }
        Change::new()
    }

    pub(super) fn record_refused(
        self,
        ctx: &Ctx,
        mut invitation: Invitation,
        call: &Call<'_>,
        error: &ProviderError,
    ) -> (JobOutcome, Change) {
        let turns_to_login = IS_SOMEBODYS.contains(&error.code.as_str()) && !invitation.as_login;
        let outcome = if turns_to_login {
            as_login(ctx, call.attempt, error)
        } else {
            after_refusal(ctx, Self::RETRY, call.attempt, error)
        };
        if let Some(by) = held_by(error) {
            return self.record_held(ctx, invitation, by, outcome);
        }
        let detail = call.detail(Some(&JobError::from(error)));
        let mut events =
            vec![ctx.invitation_event(EventKind::Attempted, &invitation, &Actor::System, detail)];
        let is_doubtful = error.kind == ProviderErrorKind::Doubtful;
        if is_doubtful {
            events.push(doubtful(ctx, &invitation, call.attempt, &error.code));
        }
        if call.doubt == EarlierCall::NotSent {
            invitation.in_doubt_since = None;
        }
        if is_doubtful {
            invitation.in_doubt_since.get_or_insert(call.attempt.started_at);
        }
        invitation.as_login |= turns_to_login;
        let (outcome, mut change) = self.record_failed(ctx, invitation, call.attempt, outcome);
        change.events.splice(0..0, events);
        (outcome, change)
    }

    /// The attempt panicked or took too long: its call may have been made.
    pub(super) fn record_broken(
        self,
        ctx: &Ctx,
        mut invitation: Invitation,
        attempt: &Attempt,
        error: &JobError,
    ) -> (JobOutcome, Change) {
        let took = ctx.now().duration_since(attempt.started_at).unsigned_abs();
        let detail = attempt_detail(attempt, Some(error), took.as_millis());
        let kind = EventKind::Attempted;
        let attempted = ctx.invitation_event(kind, &invitation, &Actor::System, detail);
        let events = [attempted, doubtful(ctx, &invitation, attempt, &error.code)];
        invitation.in_doubt_since.get_or_insert(attempt.started_at);
        let outcome = again(ctx, Self::RETRY, attempt, error.clone());
        let (outcome, mut change) = self.record_failed(ctx, invitation, attempt, outcome);
        change.events.splice(0..0, events);
        (outcome, change)
    }

    /// It could not be found out what an earlier call did: that is asked again, which costs no
    /// attempt.
    pub(super) fn record_unknown(
        self,
        ctx: &Ctx,
        mut invitation: Invitation,
        attempt: &Attempt,
        error: &ProviderError,
    ) -> (JobOutcome, Change) {
        if let Some(by) = held_by(error) {
            let outcome = after_refusal(ctx, Self::RETRY, attempt, error);
            return self.record_held(ctx, invitation, by, outcome);
        }
        let next = ctx.now() + SEARCH_PAUSE.mul_f64(1.0 + 0.5 * ctx.ids.jitter());
        let outcome = JobOutcome::Snooze(next, error.into());
        if !self.is_wanted(&invitation) || invitation.put_off(next).is_err() {
            return (outcome, Change::new());
        }
        (outcome, Change::new().update_invitation(invitation))
    }

    /// Writes on the invitation what it waits for, if it still does.
    pub(super) fn record_held(
        self,
        ctx: &Ctx,
        mut invitation: Invitation,
        by: HeldBy,
        outcome: JobOutcome,
    ) -> (JobOutcome, Change) {
        let JobOutcome::Snooze(next, error) = &outcome else { return (outcome, Change::new()) };
        let news = invitation.held_by != Some(by);
        if !self.is_wanted(&invitation) || invitation.held(by, *next).is_err() {
            return (outcome, Change::new());
        }
        let detail = json!({ "by": by.as_str(), "code": error.code });
        let held = ctx.invitation_event(EventKind::Held, &invitation, &Actor::System, detail);
        let change = Change::new().update_invitation(invitation);
        (outcome, if news { change.event(held) } else { change })
    }

    /// Writes a failure on the invitation, if it still waits for this delivery.
    pub(super) fn record_failed(
        self,
        ctx: &Ctx,
        mut invitation: Invitation,
        attempt: &Attempt,
        outcome: JobOutcome,
    ) -> (JobOutcome, Change) {
        if !self.is_wanted(&invitation) {
            // The queue ends by itself what an operator withdrew, and lets that be retried.
            let is_withdrawn = invitation.is_cancelled() && invitation.delivery == self.delivery;
            return (if is_withdrawn { outcome } else { JobOutcome::Done }, Change::new());
        }
        let attempts = attempt.number.min(attempt.max_attempts);
        let (error, next) = match &outcome {
            // No attempt is made after the invitation's own end.
            JobOutcome::Retry(next, error) if *next < invitation.expires_at => (error, Some(*next)),
            JobOutcome::Retry(_, error) | JobOutcome::Dead(error) => (error, None),
            JobOutcome::Done | JobOutcome::Snooze(..) => return (outcome, Change::new()),
        };
        let written = DeliveryError {
            code: error.code.clone(),
            message: error.message.clone(),
            at: ctx.now(),
        };
        let outcome =
            if next.is_none() { JobOutcome::Dead(error.clone()) } else { outcome.clone() };
        let moved = match next {
            Some(next) => invitation.attempt_failed(attempts, written, next),
            None => invitation.failed(attempts, written),
        };
        if moved.is_err() {
            return (JobOutcome::Done, Change::new());
        }
        let mut change = Change::new().update_invitation(invitation.clone());
        if invitation.status == InvitationStatus::Failed {
            let code = invitation.last_error.as_ref().map(|error| error.code.clone());
            let detail = json!({ "code": code, "attempts": attempts });
            let kind = EventKind::Failed;
            change = change.event(ctx.invitation_event(kind, &invitation, &Actor::System, detail));
        }
        (outcome, change)
    }
}

/// What the timeline says of a call that may have sent the mail.
fn doubtful(ctx: &Ctx, invitation: &Invitation, attempt: &Attempt, code: &str) -> Event {
    let detail = json!({ "number": attempt.number, "code": code });
    ctx.invitation_event(EventKind::Doubtful, invitation, &Actor::System, detail)
}

/// The refused call may have counted as the address' one mail of this second.
fn as_login(ctx: &Ctx, attempt: &Attempt, error: &ProviderError) -> JobOutcome {
    match again(ctx, SendInvitation::RETRY, attempt, error.into()) {
        JobOutcome::Retry(_, error) => {
            let pause = MAIL_INTERVAL.mul_f64(1.0 + 0.2 * ctx.ids.jitter());
            JobOutcome::Retry(ctx.now() + pause, error)
        }
        other => other,
    }
}

/// Keeps the identity that the mail's address has at Stytch.
pub(super) async fn adopt(
    ctx: &Ctx,
    change: Change,
    invitation: InvitationId,
    identity: &str,
) -> Result<Change, StoreError> {
    let Some(invitation) = ctx.store.invitation(invitation).await? else {
        return Ok(change);
    };
    let Some(mut user) = ctx.store.user(invitation.user_id).await? else {
        return Ok(change);
    };
    if user.provider_user_id.as_deref() == Some(identity) {
        return Ok(change);
    }
    // Stytch may know one person by several addresses; here each identity is one user's.
    if ctx.store.user_by_provider_id(identity).await?.is_some() {
        return Ok(change);
    }
    user.provider_user_id = Some(identity.to_owned());
    Ok(change.update_user(user))
}
