//! An invitation is sent: the call to Stytch, and what is written of it afterwards.

mod records;
mod steer;

pub(super) use steer::dismiss;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::outcome::{exhausted, not_begun};
use super::subject::invited_role;
use crate::flows::RevokeInvitation;
use crate::{
    Attempt, CallGate, Change, Ctx, Execution, Identity, Invitation, InvitationId,
    InvitationStatus, InviteMail, Job, JobOutcome, LoginMail, NewJob, ProviderError,
    ProviderErrorKind, QueueName, RetryPolicy, Role, SentMail, StoreError, is_credible,
};

/// How far Stytch's clock may be behind ours for a search to know its own identities again.
pub(super) const CLOCK_SKEW: Duration = Duration::from_secs(5);
/// For how long a search that fails keeps a mail from being sent again.
const SEARCH_PATIENCE: Duration = Duration::from_mins(2);

/// Sends one delivery of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendInvitation {
    invitation: InvitationId,
    delivery: i32,
}

/// What came of it.
#[derive(Debug)]
pub enum DeliveryReport {
    /// Nobody wants it sent any more.
    NotWanted,
    /// The lease had ended, or its turn did not come: nothing was done.
    NotBegun,
    /// An earlier call, whose answer was lost, had done it: this identity was made by it.
    Found(Identity),
    /// An earlier call's answer was lost, and it could not be found out what that had done:
    /// nothing was sent.
    Unknown(ProviderError),
    /// Stytch, or the way to it, answered.
    Answered {
        /// What.
        result: Result<SentMail, ProviderError>,
        /// After how long.
        took: Duration,
        /// What was known of an earlier call whose answer was lost.
        doubt: EarlierCall,
    },
}

/// What was known of an earlier call, whose answer was lost, when the mail was sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlierCall {
    /// There was none.
    None,
    /// It did nothing: the address had no identity at Stytch.
    NotSent,
    /// Nothing: the address had an identity before.
    Unknown,
}

impl SendInvitation {
    pub(crate) fn of(invitation: &Invitation) -> Self {
        Self { invitation: invitation.id, delivery: invitation.delivery }
    }

    /// The job, to run at that time or else now.
    pub(crate) fn into_job(self, ctx: &Ctx, at: Option<Timestamp>) -> NewJob {
        let Self { invitation, delivery } = self;
        let args = json!({ "invitation": invitation, "delivery": delivery });
        let job = ctx.new_job::<Self>(args, Some(self.key()));
        NewJob { run_at: at.unwrap_or(job.run_at), ..job }
    }

    fn key(self) -> String {
        let Self { invitation, delivery } = self;
        format!("{}:{invitation}:{delivery}", Self::KIND)
    }

    fn is_wanted(self, invitation: &Invitation) -> bool {
        invitation.status == InvitationStatus::Queued && invitation.delivery == self.delivery
    }

    /// The invitation, if it is to be sent now.
    async fn wanted(self, ctx: &Ctx) -> Result<Option<Invitation>, StoreError> {
        let invitation = ctx.store.invitation(self.invitation).await?;
        Ok(invitation.filter(|one| self.is_wanted(one) && one.can_be_accepted(ctx.now())))
    }
}

#[async_trait]
impl Job for SendInvitation {
    const KIND: &'static str = "send-invite";
    const QUEUE: QueueName = QueueName::Invitation;
    const RETRY: RetryPolicy = RetryPolicy::DELIVERY;
    const TIMEOUT: Duration = Duration::from_secs(30);
    type Report = DeliveryReport;

    fn from_args(args: &Value) -> Option<Self> {
        let invitation = args.get("invitation")?.as_str()?.parse().ok()?;
        let delivery = args.get("delivery")?.as_i64()?.try_into().ok()?;
        Some(Self { invitation, delivery })
    }

    async fn subject_role(&self, ctx: &Ctx) -> Result<Role, StoreError> {
        invited_role(ctx, self.invitation).await
    }

    async fn perform(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        lease: &dyn CallGate,
    ) -> Result<DeliveryReport, StoreError> {
        let Some(mut invitation) = self.wanted(ctx).await? else {
            return Ok(DeliveryReport::NotWanted);
        };
        let mut doubt = EarlierCall::None;
        if let Some(since) = in_doubt_since(ctx, &invitation, attempt).await? {
            match look_up(ctx, &invitation, attempt, since).await? {
                LookedUp::GoOn(found) => doubt = found,
                LookedUp::EndWith(report) => return Ok(report),
            }
            // A search takes its time.
            let Some(as_it_is_now) = self.wanted(ctx).await? else {
                return Ok(DeliveryReport::NotWanted);
            };
            invitation = as_it_is_now;
        }
        if !lease.may_call().await {
            return Ok(DeliveryReport::NotBegun);
        }
        let began = ctx.now();
        let result = send(ctx, &invitation).await;
        let took = ctx.now().duration_since(began).unsigned_abs();
        Ok(DeliveryReport::Answered { result, took, doubt })
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        performed: &Execution<DeliveryReport>,
    ) -> Result<(JobOutcome, Change), StoreError> {
        let Some(mut invitation) = ctx.store.invitation(self.invitation).await? else {
            return Ok((JobOutcome::Done, Change::new()));
        };
        let since = in_doubt_since(ctx, &invitation, attempt).await?;
        let story = self.lost_attempts(ctx, &mut invitation, attempt, since);
        let may_be_out = attempt.number > 1 || is_doubtful(performed);
        let undo =
            (invitation.is_withdrawn() && may_be_out).then(|| RevokeInvitation::of(&invitation));
        let (outcome, mut change) = match performed {
            Execution::Completed(report) => {
                let has_news = !story.is_empty();
                self.conclude_report(ctx, attempt, invitation, report, has_news).await?
            }
            Execution::Exhausted => {
                self.record_failed(ctx, invitation, attempt, JobOutcome::Dead(exhausted()))
            }
            Execution::Failed(error) => self.record_broken(ctx, invitation, attempt, error),
        };
        change.events.splice(0..0, story);
        // A mail of it may be out, and may have left after Stytch was told.
        if let Some(undo) = undo.filter(|_| change.jobs.is_empty()) {
            change = change.job(undo.into_job(ctx));
        }
        Ok((outcome, change))
    }
}

impl SendInvitation {
    async fn conclude_report(
        self,
        ctx: &Ctx,
        attempt: &Attempt,
        invitation: Invitation,
        report: &DeliveryReport,
        has_news: bool,
    ) -> Result<(JobOutcome, Change), StoreError> {
        Ok(match report {
            DeliveryReport::NotWanted => (JobOutcome::Done, Change::new()),
            DeliveryReport::NotBegun if has_news => {
                (not_begun(ctx), Change::new().update_invitation(invitation))
            }
            DeliveryReport::NotBegun => (not_begun(ctx), Change::new()),
            DeliveryReport::Found(identity) => {
                let change = self.record_found(ctx, invitation, attempt);
                let change =
                    records::adopt(ctx, change, self.invitation, &identity.provider_user_id);
                (JobOutcome::Done, change.await?)
            }
            DeliveryReport::Unknown(error) => self.record_unknown(ctx, invitation, attempt, error),
            DeliveryReport::Answered { result, took, doubt } => {
                let waited = self.waited_out(ctx, &invitation, attempt);
                let call = records::Call { attempt, took: *took, doubt: *doubt };
                let (outcome, mut change) = match result {
                    Ok(sent) => {
                        let change = self.record_sent(ctx, invitation, &call, sent);
                        let identity = &sent.provider_user_id;
                        let change = records::adopt(ctx, change, self.invitation, identity);
                        (JobOutcome::Done, change.await?)
                    }
                    Err(error) => self.record_refused(ctx, invitation, &call, error),
                };
                change.events.splice(0..0, waited);
                (outcome, change)
            }
        })
    }
}

fn is_doubtful(performed: &Execution<DeliveryReport>) -> bool {
    match performed {
        Execution::Completed(DeliveryReport::Answered { result: Err(error), .. }) => {
            error.kind == ProviderErrorKind::Doubtful
        }
        Execution::Failed(_) | Execution::Exhausted => true,
        Execution::Completed(_) => false,
    }
}

/// Since when an earlier call for this delivery may have sent the mail: its answer was lost, or
/// the worker that made it.
async fn in_doubt_since(
    ctx: &Ctx,
    invitation: &Invitation,
    attempt: &Attempt,
) -> Result<Option<Timestamp>, StoreError> {
    let is_lost = attempt.number > invitation.attempts + 1;
    // The attempt of a worker whose clock was ahead began some time after the mail was asked for.
    let now = ctx.now();
    let asked_at = invitation.requested_at().min(now);
    let began = |at: Timestamp| if is_credible(at, now) { at } else { asked_at };
    if invitation.in_doubt_since.is_some() || !is_lost {
        return Ok(invitation.in_doubt_since.map(began));
    }
    let first_lost_attempt = ctx.store.first_lost_attempt(attempt.job, asked_at).await?;
    Ok(Some(first_lost_attempt.map_or(asked_at, began)))
}

/// What came of looking an earlier call up.
enum LookedUp {
    /// The mail is to be sent.
    GoOn(EarlierCall),
    /// It is not.
    EndWith(DeliveryReport),
}

/// What an earlier call did whose answer was lost, as far as it can be found out.
async fn look_up(
    ctx: &Ctx,
    invitation: &Invitation,
    attempt: &Attempt,
    since: Timestamp,
) -> Result<LookedUp, StoreError> {
    let user = ctx.store.user(invitation.user_id).await?;
    if invitation.as_login || user.is_none_or(|user| user.provider_user_id.is_some()) {
        return Ok(LookedUp::GoOn(EarlierCall::Unknown));
    }
    let is_new = |identity: &Identity| {
        identity.created_at.is_some_and(|created_at| created_at + CLOCK_SKEW >= since)
    };
    Ok(match ctx.provider.find_user(&invitation.email).await {
        Ok(None) => LookedUp::GoOn(EarlierCall::NotSent),
        Ok(Some(identity)) if is_new(&identity) => {
            LookedUp::EndWith(DeliveryReport::Found(identity))
        }
        Err(error) if is_worth_waiting(ctx, &error, attempt, since) => {
            LookedUp::EndWith(DeliveryReport::Unknown(error))
        }
        Ok(Some(_)) | Err(_) => LookedUp::GoOn(EarlierCall::Unknown),
    })
}

/// Whether a search that failed is tried again before the mail is.
fn is_worth_waiting(ctx: &Ctx, error: &ProviderError, attempt: &Attempt, since: Timestamp) -> bool {
    match error.kind {
        // That a search is refused says nothing of the mail.
        ProviderErrorKind::Rejected => false,
        ProviderErrorKind::RateLimited(_) | ProviderErrorKind::Misconfigured => true,
        ProviderErrorKind::Unavailable | ProviderErrorKind::Doubtful => {
            let now = ctx.now();
            let outage = attempt.outage.filter(|outage| is_credible(outage.to, now));
            let back_since = outage.map_or(since, |outage| outage.to.max(since));
            now < back_since + SEARCH_PATIENCE
        }
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

/// What is left of an invitation in whole minutes, within Stytch's bounds.
fn minutes_left(expires_at: Timestamp, now: Timestamp) -> u32 {
    let minutes = expires_at.duration_since(now).as_secs() / 60;
    u32::try_from(minutes.clamp(5, 10_080)).unwrap_or(5)
}
