//! Removes a user: access ends at once; a job deletes the identity, then the user.

use thiserror::Error;

use super::privileged_invitations::{ChangedUser, guard_last_admin, revoke_privileged_invitations};
use crate::flows::end_sessions::{SessionEnd, add_session_end};
use crate::flows::revoke::add_revocation;
use crate::jobs::{DeleteIdentity, cancel_dead_delivery};
use crate::{
    Actor, Change, Ctx, EndReason, EventKind, ManageableRoles, OptimisticRetry, SessionSelector,
    StoreError, UserId, UserStatus,
};

/// The error of removing a user.
#[derive(Debug, Error)]
pub enum RemoveUserError {
    #[error("no such user")]
    NotFound,
    #[error("the last active administrator")]
    LastAdmin,
    /// The caller may not manage the user's role.
    #[error("the caller may not manage this user")]
    Forbidden,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts the removal of a user. The user's sessions and open invitation end at once, and open
/// invitations with a role above `member` that the user has sent are revoked. A repeated request
/// retries the deletion.
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
        let change = Change::new().job(DeleteIdentity::job_for(ctx, id));
        if user.status == UserStatus::Deleting {
            if retry.apply(ctx, change).await? {
                return Ok(ChangedUser::without_consequences(user));
            }
            continue;
        }
        let guarded = guard_last_admin(ctx, change, &user).await?;
        let mut change = guarded.ok_or(RemoveUserError::LastAdmin)?;
        if let Some(latest) = ctx.store.latest_invitation(id).await? {
            change = cancel_dead_delivery(ctx, change, &latest);
            if latest.status.is_open()
                && let Some((_, revoking)) = add_revocation(ctx, change.clone(), &latest, by)
            {
                change = revoking;
            }
        }
        user.status = UserStatus::Deleting;
        let event = ctx.user_event(EventKind::UserDeleting, &user, by);
        let live = ctx.store.live_sessions(id, ctx.now()).await?;
        let change = change.update_user(user.clone()).event(event);
        let end = SessionEnd { sessions: SessionSelector::All, reason: EndReason::Removed, by };
        let change = add_session_end(ctx, change, &user, &live, end);
        let (change, revoked) = revoke_privileged_invitations(ctx, change, id, by).await?;
        if retry.apply(ctx, change).await? {
            return Ok(ChangedUser { user, revoked });
        }
    }
}
