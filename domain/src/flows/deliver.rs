//! An invitation is sent: the call to Stytch, and what is written of it afterwards.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::outcome::{after_refusal, again, attempt_detail, exhausted, held_by, not_held};
use crate::flows::RevokeInvite;
use crate::{
    Actor, Attempt, Change, Ctx, Delivered, DeliveryError, Event, EventKind, Invitation,
    InvitationId, InvitationStatus, InviteMail, Job, JobError, Lease, LoginMail, NewJob, Outcome,
    Performed, ProviderError, ProviderErrorKind, Queue, Retry, StoreError,
};

/// Sends one delivery of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendInvite {
    invitation: InvitationId,
    delivery: i32,
}

/// What came of it.
#[derive(Debug)]
pub enum DeliveryReport {
    /// Nobody wants it sent any more.
    NotWanted,
    /// The lease had ended: nothing was done.
    NotHeld,
    /// Stytch, or the way to it, answered.
    Answered {
        /// What.
        result: Result<Delivered, ProviderError>,
        /// After how long.
        took: Duration,
    },
}

impl SendInvite {
    pub(crate) fn of(invitation: &Invitation) -> Self {
        Self { invitation: invitation.id, delivery: invitation.delivery }
    }

    pub(crate) fn into_job(self, ctx: &Ctx) -> NewJob {
        let Self { invitation, delivery } = self;
        let args = json!({ "invitation": invitation, "delivery": delivery });
        ctx.new_job::<Self>(args, Some(format!("{}:{invitation}:{delivery}", Self::KIND)))
    }

    fn is_wanted(self, invitation: &Invitation) -> bool {
        invitation.status == InvitationStatus::Queued && invitation.delivery == self.delivery
    }
}

#[async_trait]
impl Job for SendInvite {
    const KIND: &'static str = "send-invite";
    const QUEUE: Queue = Queue::Invitation;
    const RETRY: Retry = Retry::DELIVERY;
    const TIMEOUT: Duration = Duration::from_secs(30);
    type Report = DeliveryReport;

    fn from_args(args: &Value) -> Option<Self> {
        let invitation = args.get("invitation")?.as_str()?.parse().ok()?;
        let delivery = args.get("delivery")?.as_i64()?.try_into().ok()?;
        Some(Self { invitation, delivery })
    }

    async fn perform(&self, ctx: &Ctx, lease: &dyn Lease) -> Result<DeliveryReport, StoreError> {
        let Some(invitation) = ctx.store.invitation(self.invitation).await? else {
            return Ok(DeliveryReport::NotWanted);
        };
        let began = ctx.now();
        if !self.is_wanted(&invitation) || !invitation.admits(began) {
            return Ok(DeliveryReport::NotWanted);
        }
        if !lease.held() {
            return Ok(DeliveryReport::NotHeld);
        }
        let result = send(ctx, &invitation).await;
        let took = ctx.now().duration_since(began).unsigned_abs();
        Ok(DeliveryReport::Answered { result, took })
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        performed: &Performed<DeliveryReport>,
    ) -> Result<(Outcome, Change), StoreError> {
        let Some(invitation) = ctx.store.invitation(self.invitation).await? else {
            return Ok((Outcome::Done, Change::new()));
        };
        let lost = self.lost_attempts(ctx, &invitation, attempt);
        let was_revoked = invitation.status == InvitationStatus::Revoked;
        let may_be_out = attempt.number > 1 || is_doubtful(performed);
        let undo = RevokeInvite::of(&invitation);
        let (outcome, mut change) = match performed {
            Performed::Reported(DeliveryReport::NotWanted) => (Outcome::Done, Change::new()),
            Performed::Reported(DeliveryReport::NotHeld) => (not_held(ctx), Change::new()),
            Performed::Reported(DeliveryReport::Answered { result: Ok(sent), took }) => {
                let change = self.record_sent(ctx, invitation, attempt, sent, *took);
                (Outcome::Done, adopt(ctx, change, self.invitation, sent).await?)
            }
            Performed::Reported(DeliveryReport::Answered { result: Err(error), took }) => {
                let outcome = after_refusal(ctx, Self::RETRY, attempt, error);
                self.record_refused(ctx, invitation, attempt, error, *took, outcome)
            }
            Performed::Exhausted => {
                self.record_failed(ctx, invitation, attempt, Outcome::Dead(exhausted()))
            }
            Performed::Broke(error) => {
                let outcome = again(ctx, Self::RETRY, attempt, error.clone());
                self.record_failed(ctx, invitation, attempt, outcome)
            }
        };
        change.events.splice(0..0, lost);
        if was_revoked && may_be_out && change.jobs.is_empty() {
            // A mail of it may be out, and may have left after Stytch was told.
            return Ok((outcome, change.job(undo.into_job(ctx))));
        }
        Ok((outcome, change))
    }
}

fn is_doubtful(performed: &Performed<DeliveryReport>) -> bool {
    match performed {
        Performed::Reported(DeliveryReport::Answered { result: Err(error), .. }) => {
            error.kind == ProviderErrorKind::Doubtful
        }
        Performed::Broke(_) | Performed::Exhausted => true,
        Performed::Reported(_) => false,
    }
}

async fn send(ctx: &Ctx, invitation: &Invitation) -> Result<Delivered, ProviderError> {
    let redirect_url = if ctx.policy.link_carries_id {
        format!("{}?invitation={}", ctx.policy.authenticate_url, invitation.id)
    } else {
        ctx.policy.authenticate_url.clone()
    };
    let expires_in_minutes = minutes_left(invitation.expires_at, ctx.now());
    let mail = InviteMail {
        email: invitation.email.clone(),
        name: invitation.name.clone(),
        redirect_url: redirect_url.clone(),
        expires_in_minutes,
    };
    match ctx.provider.send_invite(&mail).await {
        // The address is somebody's at Stytch already, from another time or another application:
        // a login link is the invitation that they can use.
        Err(error) if error.code == "duplicate_email" => {
            let email = invitation.email.clone();
            ctx.provider.send_login(&LoginMail { email, redirect_url, expires_in_minutes }).await
        }
        answer => answer,
    }
}

/// What is left of an invitation in whole minutes, within Stytch's bounds.
fn minutes_left(expires_at: Timestamp, now: Timestamp) -> u32 {
    let minutes = expires_at.duration_since(now).as_secs() / 60;
    u32::try_from(minutes.clamp(5, 10_080)).unwrap_or(5)
}

impl SendInvite {
    /// What the timeline says of attempts whose workers stopped before they could tell: each may
    /// have sent its mail.
    fn lost_attempts(self, ctx: &Ctx, invitation: &Invitation, attempt: &Attempt) -> Vec<Event> {
        if !self.is_wanted(invitation) {
            return Vec::new();
        }
        let event = |kind, number: u32| {
            let detail = json!({ "number": number, "outcome": "lost", "code": "worker_lost" });
            ctx.invitation_event(kind, invitation, &Actor::System, detail)
        };
        let lost = invitation.attempts + 1..attempt.number.min(attempt.of + 1);
        lost.flat_map(|number| {
            [event(EventKind::Attempted, number), event(EventKind::Doubtful, number)]
        })
        .collect()
    }

    fn record_sent(
        self,
        ctx: &Ctx,
        mut invitation: Invitation,
        attempt: &Attempt,
        sent: &Delivered,
        took: Duration,
    ) -> Change {
        let mut detail = attempt_detail(attempt, None, took.as_millis());
        detail["request_id"] = json!(sent.request_id);
        let attempted =
            ctx.invitation_event(EventKind::Attempted, &invitation, &Actor::System, detail);
        let change = Change::new().event(attempted);
        if invitation.delivery == self.delivery
            && invitation.sent(attempt.number, ctx.now()).is_ok()
        {
            let event =
                ctx.invitation_event(EventKind::Sent, &invitation, &Actor::System, Value::Null);
            return change.update_invitation(invitation).event(event);
        }
        if invitation.status == InvitationStatus::Revoked {
            // It was revoked while the mail was on its way: that link must die too.
            return change.job(RevokeInvite::of(&invitation).into_job(ctx));
        }
        change
    }

    fn record_refused(
        self,
        ctx: &Ctx,
        mut invitation: Invitation,
        attempt: &Attempt,
        error: &ProviderError,
        took: Duration,
        outcome: Outcome,
    ) -> (Outcome, Change) {
        if let (Outcome::Snooze(next, _), Some(by)) = (&outcome, held_by(error)) {
            let news = invitation.held_by != Some(by);
            if !self.is_wanted(&invitation) || invitation.held(by, *next).is_err() {
                return (outcome, Change::new());
            }
            let detail = json!({ "by": by.as_str(), "code": error.code });
            let held = ctx.invitation_event(EventKind::Held, &invitation, &Actor::System, detail);
            let change = Change::new().update_invitation(invitation);
            return (outcome, if news { change.event(held) } else { change });
        }
        let job_error = JobError::from(error);
        let detail = attempt_detail(attempt, Some(&job_error), took.as_millis());
        let mut events =
            vec![ctx.invitation_event(EventKind::Attempted, &invitation, &Actor::System, detail)];
        if error.kind == ProviderErrorKind::Doubtful {
            let detail = json!({ "number": attempt.number, "code": error.code });
            let kind = EventKind::Doubtful;
            events.push(ctx.invitation_event(kind, &invitation, &Actor::System, detail));
        }
        let (outcome, mut change) = self.record_failed(ctx, invitation, attempt, outcome);
        events.append(&mut change.events);
        change.events = events;
        (outcome, change)
    }

    /// Writes a failure on the invitation, if it still waits for this delivery.
    fn record_failed(
        self,
        ctx: &Ctx,
        mut invitation: Invitation,
        attempt: &Attempt,
        outcome: Outcome,
    ) -> (Outcome, Change) {
        if !self.is_wanted(&invitation) {
            return (Outcome::Done, Change::new());
        }
        let attempts = attempt.number.min(attempt.of);
        let (error, next) = match &outcome {
            // No attempt is made after the invitation's own end.
            Outcome::Retry(next, error) if *next < invitation.expires_at => (error, Some(*next)),
            Outcome::Retry(_, error) | Outcome::Dead(error) => (error, None),
            Outcome::Done | Outcome::Snooze(..) => return (outcome, Change::new()),
        };
        let written = DeliveryError {
            code: error.code.clone(),
            message: error.message.clone(),
            at: ctx.now(),
        };
        let outcome = if next.is_none() { Outcome::Dead(error.clone()) } else { outcome.clone() };
        let moved = match next {
            Some(next) => invitation.attempt_failed(attempts, written, next),
            None => invitation.failed(attempts, written),
        };
        if moved.is_err() {
            return (Outcome::Done, Change::new());
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

/// Keeps the identity that the mail's address has at Stytch.
async fn adopt(
    ctx: &Ctx,
    change: Change,
    invitation: InvitationId,
    sent: &Delivered,
) -> Result<Change, StoreError> {
    let Some(invitation) = ctx.store.invitation(invitation).await? else {
        return Ok(change);
    };
    let Some(mut user) = ctx.store.user(invitation.user_id).await? else {
        return Ok(change);
    };
    if user.stytch_user_id.as_ref() == Some(&sent.stytch_user_id) {
        return Ok(change);
    }
    // Stytch may know one person by several addresses; here each identity is one user's.
    if ctx.store.user_by_stytch_id(&sent.stytch_user_id).await?.is_some() {
        return Ok(change);
    }
    user.stytch_user_id = Some(sent.stytch_user_id.clone());
    Ok(change.update_user(user))
}
