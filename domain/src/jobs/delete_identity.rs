//! Completes the removal of a user: deletes the identity at the provider, then the user.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::job::{CallResult, arg, new_job, outcome_of, retry_or_give_up};
use crate::{
    Actor, Attempt, CallGate, Change, Ctx, EventKind, Execution, Job, JobError, JobOutcome, NewJob,
    QueueName, RemovedAddress, Role, StoreResult, Tombstone, User, UserId, UserStatus,
};

/// Deletes a removed user's identity at the provider, then the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteIdentity(UserId);

impl DeleteIdentity {
    pub(crate) fn job_for(ctx: &Ctx, user: UserId) -> NewJob {
        new_job::<Self>(ctx, json!({ "user": user }), None)
    }

    /// Returns the user, unless the removal is already complete.
    async fn user(self, ctx: &Ctx) -> StoreResult<Option<User>> {
        let user = ctx.store.user(self.0).await?;
        Ok(user.filter(|user| user.status == UserStatus::Deleting))
    }
}

#[async_trait]
impl Job for DeleteIdentity {
    const KIND: &'static str = "delete-user";
    const QUEUE: QueueName = QueueName::Provider;
    const TIMEOUT: Duration = Duration::from_mins(1);
    /// The deleted identity; `None` if there was none.
    type Report = CallResult<Option<String>>;

    fn from_args(args: &Value) -> Option<Self> {
        arg(args, "user").map(Self)
    }

    async fn subject_role(&self, ctx: &Ctx) -> StoreResult<Role> {
        Ok(ctx.store.user(self.0).await?.map(|user| user.role).unwrap_or_default())
    }

    async fn perform(
        &self,
        ctx: &Ctx,
        _: &Attempt,
        gate: &dyn CallGate,
    ) -> StoreResult<Self::Report> {
        match self.user(ctx).await? {
            Some(user) => delete_identity(ctx, &user, gate).await,
            None => Ok(Some(Ok(None))),
        }
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        execution: &Execution<Self::Report>,
    ) -> StoreResult<(JobOutcome, Change)> {
        let outcome = outcome_of(ctx, Self::RETRY, attempt, execution);
        let user = self.user(ctx).await?;
        let (Some(user), Execution::Completed(Some(Ok(deleted)))) = (user, execution) else {
            return Ok((outcome, Change::new()));
        };
        if user.provider_user_id.is_some() && user.provider_user_id != *deleted {
            // A mail that was being sent has created an identity since.
            let message = "an identity was linked while the user was being removed";
            let error = JobError::new("identity_linked", message);
            return Ok((retry_or_give_up(ctx, Self::RETRY, attempt, error), Change::new()));
        }
        Ok((outcome, erase_user(ctx, user, deleted.clone()).await?))
    }
}

async fn delete_identity(
    ctx: &Ctx,
    user: &User,
    gate: &dyn CallGate,
) -> StoreResult<CallResult<Option<String>>> {
    let identity = match &user.provider_user_id {
        Some(id) => Some(id.clone()),
        // A mail whose answer was lost may have created an identity that is not linked.
        None => match ctx.provider.find_user(&user.email).await {
            Ok(found) => found.map(|identity| identity.provider_user_id),
            Err(error) => return Ok(Some(Err(error))),
        },
    };
    let Some(id) = identity else { return Ok(Some(Ok(None))) };
    // An identity can have several addresses, and be linked to the user of another one.
    let holder = ctx.store.user_by_provider_id(&id).await?;
    if holder.is_some_and(|holder| holder.id != user.id) {
        return Ok(Some(Ok(None)));
    }
    if !gate.may_call().await {
        return Ok(None);
    }
    let deleted = ctx.provider.delete_user(&id).await;
    Ok(Some(deleted.map(|()| Some(id))))
}

async fn erase_user(ctx: &Ctx, user: User, identity: Option<String>) -> StoreResult<Change> {
    let event = ctx.user_event(EventKind::UserDeleted, &user, &Actor::System);
    let mut change = Change::new().event(event);
    change.invitations.delete = ctx.store.invitations_of(user.id).await?;
    if let Some(provider_user_id) = identity {
        change.tombstones.push(Tombstone { provider_user_id, user_id: user.id, at: ctx.now() });
    }
    change.removed_addresses.push(RemovedAddress::of(&user.email));
    change.users.delete.push(user);
    Ok(change)
}
