//! Revokes at the provider what was revoked here: links and sessions.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::job::{CallResult, arg, new_job};
use crate::authorization::role_of_invitation;
use crate::{
    Attempt, CallGate, Ctx, Invitation, InvitationId, Job, NewJob, QueueName, Role, StoreResult,
};

/// Invalidates the link of an invitation that was revoked, or whose delivery was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokeInvitation(InvitationId);

impl RevokeInvitation {
    pub(crate) fn job_for(ctx: &Ctx, invitation: &Invitation) -> NewJob {
        new_job::<Self>(ctx, json!({ "invitation": invitation.id }), None)
    }

    /// Returns the invitation if its link still has to be invalidated.
    async fn invitation(self, ctx: &Ctx) -> StoreResult<Option<Invitation>> {
        let invitation = ctx.store.invitation(self.0).await?;
        // A cancelled delivery may have been retried since.
        let Some(invitation) = invitation.filter(|one| !one.status.is_open()) else {
            return Ok(None);
        };
        // The provider revokes by address, which would also invalidate the link of a newer invitation.
        // The old link admits nobody whom the newer one does not.
        let latest = ctx.store.latest_invitation(invitation.user_id).await?;
        let is_latest = latest.is_none_or(|latest| latest.id == self.0);
        Ok(Some(invitation).filter(|_| is_latest))
    }
}

#[async_trait]
impl Job for RevokeInvitation {
    const KIND: &'static str = "revoke-invite";
    const QUEUE: QueueName = QueueName::Provider;
    type Report = CallResult<()>;

    fn from_args(args: &Value) -> Option<Self> {
        arg(args, "invitation").map(Self)
    }

    async fn subject_role(&self, ctx: &Ctx) -> StoreResult<Role> {
        role_of_invitation(ctx, self.0).await
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
        // Read after the wait at the gate: an invitation that was resent during it must stay valid.
        let Some(invitation) = self.invitation(ctx).await? else { return Ok(Some(Ok(()))) };
        Ok(Some(ctx.provider.revoke_invite(&invitation.email).await))
    }
}

/// Ends a session at the provider after it ended here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeSession(String);

impl RevokeSession {
    pub(crate) fn job_for(ctx: &Ctx, provider_session_id: &str) -> NewJob {
        new_job::<Self>(ctx, json!({ "provider_session": provider_session_id }), None)
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
