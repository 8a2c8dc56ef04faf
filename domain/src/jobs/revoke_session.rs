//! Ends a session at the provider after it ended here.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::job::{arg, new_job};
use super::outcome::CallResult;
use crate::{Attempt, CallGate, Ctx, Job, NewJob, QueueName, Role, StoreResult};

/// Ends a session at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeSession(String);

impl RevokeSession {
    pub(crate) fn of(provider_session_id: &str) -> Self {
        Self(provider_session_id.to_owned())
    }

    pub(crate) fn into_job(self, ctx: &Ctx) -> NewJob {
        new_job::<Self>(ctx, json!({ "provider_session": self.0 }), None)
    }
}

#[async_trait]
impl Job for RevokeSession {
    const KIND: &'static str = "revoke-session";
    const QUEUE: QueueName = QueueName::Provider;
    type Report = CallResult<()>;

    fn from_args(args: &Value) -> Option<Self> {
        arg(args, "provider_session").map(Self)
    }

    async fn subject_role(&self, ctx: &Ctx) -> StoreResult<Role> {
        let session = ctx.store.session_by_provider_id(&self.0).await?;
        Ok(session.map(|(_, user)| user.role).unwrap_or_default())
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
        Ok(Some(ctx.provider.revoke_session(&self.0).await))
    }
}
