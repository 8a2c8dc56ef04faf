//! Checks one identity at the provider after a webhook event.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::job::{CallResult, arg, new_job};
use crate::flows::{known_users, repair};
use crate::{
    Actor, Attempt, CallGate, Change, Ctx, Job, NewJob, Profile, QueueName, Role, StoreResult,
};

/// Loads one identity from the provider and repairs what differs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckIdentity(String);

impl CheckIdentity {
    /// Creates the job of a webhook event; the message's id makes it unique.
    pub(crate) fn job_for(ctx: &Ctx, message_id: &str, provider_user_id: &str) -> NewJob {
        let key = format!("{}:{message_id}", Self::KIND);
        new_job::<Self>(ctx, json!({ "identity": provider_user_id }), Some(key))
    }

    async fn unlink(&self, ctx: &Ctx) -> StoreResult<Option<Change>> {
        match repair::holder(ctx, &self.0).await? {
            Some(user) => repair::unlink_identity(ctx, user, &Actor::System).await.map(Some),
            None => Ok(None),
        }
    }

    async fn link(&self, ctx: &Ctx, profile: &Profile) -> StoreResult<Option<Change>> {
        let Some(candidate) = known_users::repair_candidate(ctx, profile).await? else {
            return Ok(None);
        };
        let user = repair::user_without_identity(ctx, &candidate).await?;
        Ok(user.map(|user| repair::link_identity(ctx, user, &self.0, &Actor::System)))
    }
}

#[async_trait]
impl Job for CheckIdentity {
    const KIND: &'static str = "check-identity";
    const QUEUE: QueueName = QueueName::Provider;
    type Report = CallResult<Option<Profile>>;

    fn from_args(args: &Value) -> Option<Self> {
        arg(args, "identity").map(Self)
    }

    async fn subject_role(&self, ctx: &Ctx) -> StoreResult<Role> {
        let user = ctx.store.user_by_provider_id(&self.0).await?;
        Ok(user.map(|user| user.role).unwrap_or_default())
    }

    async fn perform(
        &self,
        ctx: &Ctx,
        _: &Attempt,
        gate: &dyn CallGate,
    ) -> StoreResult<Self::Report> {
        if !gate.may_call().await {
            return Ok(None);
        }
        Ok(Some(ctx.provider.identity(&self.0).await))
    }

    async fn record(&self, ctx: &Ctx, report: &Self::Report) -> StoreResult<Change> {
        let change = match report {
            Some(Ok(None)) => self.unlink(ctx).await?,
            Some(Ok(Some(profile))) => self.link(ctx, profile).await?,
            Some(Err(_)) | None => None,
        };
        Ok(change.unwrap_or_default())
    }
}
