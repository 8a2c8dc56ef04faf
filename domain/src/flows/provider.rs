//! What has to be undone at Stytch: links of revoked invitations, sessions that ended here.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::outcome::{after_refusal, again, exhausted, not_begun};
use super::subject::invited_role;
use crate::{
    Attempt, CallGate, Change, Ctx, Execution, Invitation, InvitationId, Job, JobOutcome, NewJob,
    ProviderError, QueueName, RetryPolicy, Role, StoreError,
};

/// What a call to Stytch came to; none where it was not to be made.
pub(super) type CallResult<T> = Option<Result<T, ProviderError>>;

/// Makes the link of an invitation that was revoked, or whose delivery was withdrawn, worthless at
/// Stytch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokeInvitation(InvitationId);

impl RevokeInvitation {
    pub(crate) fn of(invitation: &Invitation) -> Self {
        Self(invitation.id)
    }

    pub(crate) fn into_job(self, ctx: &Ctx) -> NewJob {
        ctx.new_job::<Self>(json!({ "invitation": self.0 }), None)
    }

    /// The invitation, if its link is to be made worthless still.
    async fn wanted(self, ctx: &Ctx) -> Result<Option<Invitation>, StoreError> {
        let invitation = ctx.store.invitation(self.0).await?;
        // Its delivery was withdrawn, and then it was sent again after all.
        let Some(invitation) = invitation.filter(|one| !one.status.is_open()) else {
            return Ok(None);
        };
        // Stytch revokes by address: with a newer invitation of the person about, this would
        // kill its link. The old one lets in nobody that the new one would not.
        let latest = ctx.store.latest_invitation(invitation.user_id).await?;
        let is_latest = latest.is_none_or(|latest| latest.id == self.0);
        Ok(Some(invitation).filter(|_| is_latest))
    }
}

#[async_trait]
impl Job for RevokeInvitation {
    const KIND: &'static str = "revoke-invite";
    const QUEUE: QueueName = QueueName::Provider;
    const RETRY: RetryPolicy = RetryPolicy::DELIVERY;
    const TIMEOUT: Duration = Duration::from_secs(30);
    type Report = CallResult<()>;

    fn from_args(args: &Value) -> Option<Self> {
        Some(Self(args.get("invitation")?.as_str()?.parse().ok()?))
    }

    async fn subject_role(&self, ctx: &Ctx) -> Result<Role, StoreError> {
        invited_role(ctx, self.0).await
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
        // Read after the wait for its turn: what was sent again meanwhile must not be undone.
        let Some(invitation) = self.wanted(ctx).await? else { return Ok(Some(Ok(()))) };
        Ok(Some(ctx.provider.revoke_invite(&invitation.email).await))
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        performed: &Execution<Self::Report>,
    ) -> Result<(JobOutcome, Change), StoreError> {
        Ok((settle::<Self, _>(ctx, attempt, performed), Change::new()))
    }
}

/// Ends a session at Stytch that ended here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeSession(String);

impl RevokeSession {
    pub(crate) fn of(provider_session_id: &str) -> Self {
        Self(provider_session_id.to_owned())
    }

    pub(crate) fn into_job(self, ctx: &Ctx) -> NewJob {
        ctx.new_job::<Self>(json!({ "stytch_session": self.0 }), None)
    }
}

#[async_trait]
impl Job for RevokeSession {
    const KIND: &'static str = "revoke-session";
    const QUEUE: QueueName = QueueName::Provider;
    const RETRY: RetryPolicy = RetryPolicy::DELIVERY;
    const TIMEOUT: Duration = Duration::from_secs(30);
    type Report = CallResult<()>;

    fn from_args(args: &Value) -> Option<Self> {
        Some(Self(args.get("stytch_session")?.as_str()?.to_owned()))
    }

    async fn subject_role(&self, ctx: &Ctx) -> Result<Role, StoreError> {
        let session = ctx.store.session_by_provider_id(&self.0).await?;
        Ok(session.map(|(_, user)| user.role).unwrap_or_default())
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
        Ok(Some(ctx.provider.revoke_session(&self.0).await))
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        performed: &Execution<Self::Report>,
    ) -> Result<(JobOutcome, Change), StoreError> {
        Ok((settle::<Self, _>(ctx, attempt, performed), Change::new()))
    }
}

/// How a job ends that only asks Stytch for something.
pub(super) fn settle<J: Job, T>(
    ctx: &Ctx,
    attempt: &Attempt,
    performed: &Execution<CallResult<T>>,
) -> JobOutcome {
    match performed {
        Execution::Completed(None) => not_begun(ctx),
        Execution::Completed(Some(Ok(_))) => JobOutcome::Done,
        Execution::Completed(Some(Err(error))) => after_refusal(ctx, J::RETRY, attempt, error),
        Execution::Exhausted => JobOutcome::Dead(exhausted()),
        Execution::Failed(error) => again(ctx, J::RETRY, attempt, error.clone()),
    }
}
