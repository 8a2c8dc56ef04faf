//! Sends an invitation's mail and records the result.

mod delivery;
mod record;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use self::delivery::{LookUp, RowsRead, in_doubt_since, look_up};
use self::record::{Call, Recorder};
use super::job::{JobReport, arg, exhausted, not_started, outcome_of_error};
use super::revoke::RevokeInvitation;
use crate::authorization::role_of_invitation;
use crate::{
    Attempt, CallGate, Change, Ctx, Execution, Invitation, InviteMail, Job, JobOutcome,
    LINK_MINUTES, LoginMail, ProviderError, ProviderErrorKind, QueueName, RetryPolicy, Role,
    SentMail, StoreResult, User,
};

pub(crate) use self::delivery::{CLOCK_SKEW, cancel_dead_delivery};
pub use self::delivery::{DeliveryReport, EarlierCall, SendInvitation};

#[async_trait]
impl Job for SendInvitation {
    const KIND: &'static str = "send-invite";
    const QUEUE: QueueName = QueueName::Invitation;
    type Report = DeliveryReport;

    fn from_args(args: &Value) -> Option<Self> {
        let delivery = args.get("delivery")?.as_i64()?.try_into().ok()?;
        Some(Self { invitation: arg(args, "invitation")?, delivery })
    }

    async fn subject_role(&self, ctx: &Ctx) -> StoreResult<Role> {
        role_of_invitation(ctx, self.invitation).await
    }

    async fn perform(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        gate: &dyn CallGate,
    ) -> StoreResult<DeliveryReport> {
        let Some(mut invitation) = self.wanted(ctx).await? else {
            return Ok(DeliveryReport::NotWanted);
        };
        let mut earlier_call = EarlierCall::None;
        if let Some(since) = in_doubt_since(ctx, &invitation, attempt).await? {
            match look_up(ctx, &invitation, attempt, since).await? {
                LookUp::Send(found) => earlier_call = found,
                LookUp::EndWith(report) => return Ok(report),
            }
            // Read again: the search may have taken a while.
            let Some(current) = self.wanted(ctx).await? else {
                return Ok(DeliveryReport::NotWanted);
            };
            invitation = current;
        }
        let user = ctx.store.user(invitation.user_id).await?;
        if !gate.may_call().await {
            return Ok(DeliveryReport::NotStarted);
        }
        let started_at = ctx.now();
        let result = send(ctx, &invitation).await;
        let took = ctx.now().duration_since(started_at).unsigned_abs();
        let rows = RowsRead::new(invitation, user);
        Ok(DeliveryReport::Called { result, took, earlier_call, rows })
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        execution: &Execution<DeliveryReport>,
    ) -> StoreResult<(JobOutcome, Change)> {
        let (invitation, user) = match rows_read(execution) {
            Some((invitation, user)) => (Some(invitation), Some(user)),
            None => (ctx.store.invitation(self.invitation).await?, None),
        };
        let Some(invitation) = invitation else {
            return Ok((JobOutcome::Done, Change::new()));
        };
        let since = in_doubt_since(ctx, &invitation, attempt).await?;
        let change = Change::new();
        let before = invitation.clone();
        let mut recorder =
            Recorder { ctx, delivery: *self, attempt, before, invitation, user, change };
        recorder.record_lost_attempts(since);
        let may_be_sent = attempt.number > 1 || is_doubtful(execution);
        let must_undo = recorder.invitation.is_revoked_or_cancelled() && may_be_sent;
        let outcome = match execution {
            Execution::Completed(report) => record_report(&mut recorder, report).await?,
            Execution::Exhausted => recorder.record_failure(JobOutcome::Dead(exhausted())),
            Execution::Failed(error) => recorder.record_crash(error),
        };
        let Recorder { invitation, mut change, .. } = recorder;
        // The mail may have been sent after the link was revoked at the provider.
        if must_undo && change.jobs.is_empty() {
            change.jobs.push(RevokeInvitation::job_for(ctx, &invitation));
        }
        Ok((outcome, change))
    }
}

impl JobReport for DeliveryReport {
    fn outcome(&self, ctx: &Ctx, retry: RetryPolicy, attempt: &Attempt) -> JobOutcome {
        match self {
            Self::NotWanted | Self::Found(_) | Self::Called { result: Ok(_), .. } => {
                JobOutcome::Done
            }
            Self::NotStarted => not_started(ctx),
            Self::Unknown(error) | Self::Called { result: Err(error), .. } => {
                outcome_of_error(ctx, retry, attempt, error)
            }
        }
    }
}

async fn record_report(
    recorder: &mut Recorder<'_>,
    report: &DeliveryReport,
) -> StoreResult<JobOutcome> {
    let outcome = report.outcome(recorder.ctx, SendInvitation::RETRY, recorder.attempt);
    Ok(match report {
        DeliveryReport::NotWanted => outcome,
        DeliveryReport::NotStarted => {
            let has_lost_attempts = !recorder.change.events.is_empty();
            if has_lost_attempts {
                recorder.update_invitation();
            }
            outcome
        }
        DeliveryReport::Found(identity) => {
            recorder.record_found();
            recorder.link_identity(&identity.provider_user_id).await?;
            outcome
        }
        DeliveryReport::Unknown(error) => recorder.record_unknown(error, outcome),
        DeliveryReport::Called { result, took, earlier_call, .. } => {
            recorder.record_outage();
            let call = Call { took: *took, earlier: *earlier_call };
            match result {
                Ok(mail) => {
                    recorder.record_sent(&call, mail);
                    recorder.link_identity(&mail.provider_user_id).await?;
                    outcome
                }
                Err(error) => recorder.record_error(&call, error, outcome),
            }
        }
    })
}

/// Returns the rows that were read before the call, once.
fn rows_read(execution: &Execution<DeliveryReport>) -> Option<(Invitation, User)> {
    match execution {
        Execution::Completed(DeliveryReport::Called { rows, .. }) => rows.take(),
        _ => None,
    }
}

/// Returns whether the execution may have sent a mail that was not recorded.
fn is_doubtful(execution: &Execution<DeliveryReport>) -> bool {
    match execution {
        Execution::Completed(DeliveryReport::Called { result: Err(error), .. }) => {
            error.kind == ProviderErrorKind::Doubtful
        }
        Execution::Failed(_) | Execution::Exhausted => true,
        Execution::Completed(_) => false,
    }
}

async fn send(ctx: &Ctx, invitation: &Invitation) -> Result<SentMail, ProviderError> {
    let redirect_url = if ctx.policy.link_carries_id {
        format!("{}?invitation={}", ctx.policy.authenticate_url, invitation.id)
    } else {
        ctx.policy.authenticate_url.clone()
    };
    let expires_in_minutes = minutes_left(invitation.expires_at, ctx.now());
    let email = invitation.email.clone();
    if invitation.as_login {
        let mail = LoginMail { email, redirect_url, expires_in_minutes };
        return ctx.provider.send_login(&mail).await;
    }
    let name = invitation.name.clone();
    let mail = InviteMail { email, name, redirect_url, expires_in_minutes };
    ctx.provider.send_invite(&mail).await
}

/// Returns the remaining lifetime in whole minutes, within the provider's range.
fn minutes_left(expires_at: Timestamp, now: Timestamp) -> u32 {
    let (min, max) = LINK_MINUTES.into_inner();
    let minutes = expires_at.duration_since(now).as_secs() / 60;
    u32::try_from(minutes.clamp(min.into(), max.into())).unwrap_or(min)
}
