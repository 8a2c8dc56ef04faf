//! What Stytch tells by itself: that somebody was made, changed or deleted there.
//!
//! It tells late, twice and in any order, and mostly of what we did ourselves. So nothing that it
//! tells is written down: where it does not fit what stands here, Stytch is asked how it is now,
//! and that is what counts.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::compare::{self, RepairCandidate};
use super::repair;
use crate::flows::provider::{CallResult, settle};
use crate::{
    Actor, Attempt, CallGate, Change, Ctx, Execution, IdentityEvent, Job, JobOutcome, Profile,
    QueueName, RetryPolicy, Role, StoreError, Verdict,
};

/// What became of a piece of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// Stytch will be asked.
    CheckScheduled,
    /// It is as it stands here, or no business of ours.
    Consistent,
    /// It was told before.
    Duplicate,
}

/// Takes in what Stytch told.
pub async fn handle_identity_webhook(
    ctx: &Ctx,
    news: &IdentityEvent,
) -> Result<WebhookOutcome, StoreError> {
    if !is_new(ctx, news).await? {
        return Ok(WebhookOutcome::Consistent);
    }
    let key = format!("{}:{}", CheckIdentity::KIND, news.message_id);
    let job = CheckIdentity(news.provider_user_id.clone());
    let args = json!({ "identity": job.0 });
    let change = Change::new().job(ctx.new_job::<CheckIdentity>(args, Some(key)));
    Ok(match ctx.store.apply(change).await? {
        Verdict::Applied => WebhookOutcome::CheckScheduled,
        Verdict::Conflict | Verdict::LeaseLost => WebhookOutcome::Duplicate,
    })
}

/// Whether it does not fit what stands here. Of what we did ourselves it does, and of people who
/// were removed it is late: their tombstones say so.
async fn is_new(ctx: &Ctx, news: &IdentityEvent) -> Result<bool, StoreError> {
    Ok(match &news.profile {
        None => repair::holder(ctx, &news.provider_user_id).await?.is_some(),
        Some(profile) => {
            let suspicion = compare::suspicion(ctx, profile).await?;
            matches!(suspicion, Some(RepairCandidate::Unlinked { .. }))
        }
    })
}

/// Asks Stytch about one identity, and repairs what differs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckIdentity(String);

#[async_trait]
impl Job for CheckIdentity {
    const KIND: &'static str = "check-identity";
    const QUEUE: QueueName = QueueName::Provider;
    const RETRY: RetryPolicy = RetryPolicy::DELIVERY;
    const TIMEOUT: Duration = Duration::from_secs(30);
    type Report = CallResult<Option<Profile>>;

    fn from_args(args: &Value) -> Option<Self> {
        Some(Self(args.get("identity")?.as_str()?.to_owned()))
    }

    async fn subject_role(&self, ctx: &Ctx) -> Result<Role, StoreError> {
        let user = ctx.store.user_by_provider_id(&self.0).await?;
        Ok(user.map(|user| user.role).unwrap_or_default())
    }

    async fn perform(
        &self,
        ctx: &Ctx,
        _: &Attempt,
        lease: &dyn CallGate,
    ) -> Result<Self::Report, StoreError> {
        if !lease.may_call().await {
            return Ok(None);
        }
        Ok(Some(ctx.provider.identity(&self.0).await))
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        performed: &Execution<Self::Report>,
    ) -> Result<(JobOutcome, Change), StoreError> {
        let outcome = settle::<Self, _>(ctx, attempt, performed);
        let change = match performed {
            Execution::Completed(Some(Ok(None))) => self.forgotten(ctx).await?,
            Execution::Completed(Some(Ok(Some(profile)))) => self.adopted(ctx, profile).await?,
            _ => None,
        };
        Ok((outcome, change.unwrap_or_default()))
    }
}

impl CheckIdentity {
    async fn forgotten(&self, ctx: &Ctx) -> Result<Option<Change>, StoreError> {
        match repair::holder(ctx, &self.0).await? {
            Some(user) => repair::forget(ctx, user, &Actor::System).await.map(Some),
            None => Ok(None),
        }
    }

    async fn adopted(&self, ctx: &Ctx, profile: &Profile) -> Result<Option<Change>, StoreError> {
        let Some(suspicion) = compare::suspicion(ctx, profile).await? else { return Ok(None) };
        let user = repair::still_lacks(ctx, &suspicion).await?;
        Ok(user.map(|user| repair::adopt(ctx, user, &self.0, &Actor::System)))
    }
}
