//! People are removed: here at once, at Stytch soon after, then for good.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use thiserror::Error;

use super::granted::revoke_privileged;
use super::{ChangedUser, leaving_an_admin};
use crate::flows::deliver::dismiss;
use crate::flows::outcome::again;
use crate::flows::provider::{CallResult, settle};
use crate::flows::revoke::take_back;
use crate::flows::sessions::{Ending, end};
use crate::{
    Actor, Attempt, CallGate, Change, Ctx, EndReason, EventKind, Execution, Job, JobError,
    JobOutcome, ManageableRoles, NewJob, OptimisticRetry, QueueName, RemovedAddress, RetryPolicy,
    Role, SessionSelector, StoreError, Tombstone, User, UserId, UserStatus,
};

/// Why nobody was removed.
#[derive(Debug, Error)]
pub enum RemoveUserError {
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// Nobody would be left to administer.
    #[error("the last active administrator")]
    LastAdmin,
    /// Whoever asks may not act on somebody of that role.
    #[error("beyond the manageable of whoever asks")]
    Forbidden,
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins to remove somebody: their sessions and open invitation end at once, and so do the open
/// invitations with a role above `member` that they have sent. Asked for again while it goes on, it
/// is tried again.
pub async fn remove_user(
    ctx: &Ctx,
    id: UserId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<ChangedUser, RemoveUserError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let mut user = ctx.store.user(id).await?.ok_or(RemoveUserError::NotFound)?;
        if !manageable.includes(user.role) {
            return Err(RemoveUserError::Forbidden);
        }
        let mut change = Change::new().job(DeleteIdentity(id).into_job(ctx));
        if user.status == UserStatus::Deleting {
            if retry.apply(ctx, change).await? {
                return Ok(ChangedUser::alone(user));
            }
            continue;
        }
        let left = leaving_an_admin(ctx, change, &user).await?;
        change = left.ok_or(RemoveUserError::LastAdmin)?;
        if let Some(latest) = ctx.store.latest_invitation(id).await? {
            change = dismiss(ctx, change, &latest);
            if latest.status.is_open()
                && let Some((_, with_it)) = take_back(ctx, change.clone(), &latest, by)
            {
                change = with_it;
            }
        }
        user.status = UserStatus::Deleting;
        let event = ctx.user_event(EventKind::UserDeleting, &user, by);
        let live = ctx.store.live_sessions(id, ctx.now()).await?;
        let change = change.update_user(user.clone()).event(event);
        let change = end(
            ctx,
            change,
            &user,
            &live,
            Ending { which: SessionSelector::All, reason: EndReason::Removed, by },
        );
        let (change, revoked) = revoke_privileged(ctx, change, id, by).await?;
        if retry.apply(ctx, change).await? {
            return Ok(ChangedUser { user, revoked });
        }
    }
}

/// Deletes a removed person at Stytch, then here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteIdentity(UserId);

impl DeleteIdentity {
    fn into_job(self, ctx: &Ctx) -> NewJob {
        ctx.new_job::<Self>(json!({ "user": self.0 }), None)
    }
}

#[async_trait]
impl Job for DeleteIdentity {
    const KIND: &'static str = "delete-user";
    const QUEUE: QueueName = QueueName::Provider;
    const RETRY: RetryPolicy = RetryPolicy::DELIVERY;
    const TIMEOUT: Duration = Duration::from_mins(1);
    /// The identity that is gone, if there was one.
    type Report = CallResult<Option<String>>;

    fn from_args(args: &Value) -> Option<Self> {
        Some(Self(args.get("user")?.as_str()?.parse().ok()?))
    }

    async fn subject_role(&self, ctx: &Ctx) -> Result<Role, StoreError> {
        Ok(ctx.store.user(self.0).await?.map(|user| user.role).unwrap_or_default())
    }

    async fn perform(
        &self,
        ctx: &Ctx,
        _: &Attempt,
        lease: &dyn CallGate,
    ) -> Result<Self::Report, StoreError> {
        let user = ctx.store.user(self.0).await?;
        let Some(user) = user.filter(|user| user.status == UserStatus::Deleting) else {
            return Ok(Some(Ok(None)));
        };
        delete_identity(ctx, &user, lease).await
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        performed: &Execution<Self::Report>,
    ) -> Result<(JobOutcome, Change), StoreError> {
        let outcome = settle::<Self, _>(ctx, attempt, performed);
        let user = ctx.store.user(self.0).await?;
        let user = user.filter(|user| user.status == UserStatus::Deleting);
        let (Some(user), Execution::Completed(Some(Ok(gone)))) = (user, performed) else {
            return Ok((outcome, Change::new()));
        };
        if user.provider_user_id.is_some() && user.provider_user_id != *gone {
            // A mail that was on its way has told of an identity meanwhile.
            let error = JobError {
                code: "identity_turned_up".into(),
                message: "an identity at Stytch came to be known while it was deleted".into(),
                request_id: None,
            };
            return Ok((again(ctx, Self::RETRY, attempt, error), Change::new()));
        }
        Ok((outcome, erase(ctx, user, gone.clone()).await?))
    }
}

async fn delete_identity(
    ctx: &Ctx,
    user: &User,
    lease: &dyn CallGate,
) -> Result<CallResult<Option<String>>, StoreError> {
    let identity = match &user.provider_user_id {
        Some(id) => Some(id.clone()),
        // A mail whose answer was lost may have made an identity that nobody here has heard of.
        None => match ctx.provider.find_user(&user.email).await {
            Ok(found) => found.map(|identity| identity.provider_user_id),
            Err(error) => return Ok(Some(Err(error))),
        },
    };
    let Some(id) = identity else { return Ok(Some(Ok(None))) };
    // Stytch may know one person by several addresses; whose identity it is here keeps it.
    let holder = ctx.store.user_by_provider_id(&id).await?;
    if holder.is_some_and(|holder| holder.id != user.id) {
        return Ok(Some(Ok(None)));
    }
    if !lease.may_call().await {
        return Ok(None);
    }
    let deleted = ctx.provider.delete_user(&id).await;
    Ok(Some(deleted.map(|()| Some(id))))
}

async fn erase(ctx: &Ctx, user: User, identity: Option<String>) -> Result<Change, StoreError> {
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
