//! Resends an invitation, with a new link and a new expiry.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::jobs::{SendInvitation, cancel_dead_delivery};
use crate::{
    Actor, Change, Ctx, EventKind, Invitation, InvitationId, ManageableRoles, OptimisticRetry,
    StoreError, User, UserStatus,
};

/// The error of resending an invitation.
#[derive(Debug, Error)]
pub enum ResendError {
    #[error("no such invitation")]
    NotFound,
    /// The invitation was accepted, revoked or superseded, or the invitee is a user already.
    #[error("the invitation is closed")]
    Closed,
    /// The address has a newer invitation, which is open.
    #[error("the address has a newer invitation")]
    AlreadyInvited(InvitationId),
    /// The caller may not manage the invitee's role.
    #[error("the caller may not manage this invitation")]
    Forbidden,
    /// A resend was requested a moment ago; another may be requested after the given time.
    #[error("too soon")]
    TooSoon(Duration),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Resends an invitation. Earlier deliveries that are still queued become obsolete.
pub async fn resend(
    ctx: &Ctx,
    id: InvitationId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<Invitation, ResendError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let invitation = ctx.store.invitation(id).await?.ok_or(ResendError::NotFound)?;
        if !manageable.includes_invitation(ctx, &invitation).await? {
            return Err(ResendError::Forbidden);
        }
        let user = ctx.store.user(invitation.user_id).await?.ok_or(ResendError::NotFound)?;
        let latest = ctx.store.latest_invitation(user.id).await?;
        // Logins depend on the newest invitation, so an older one must not be opened again.
        if let Some(newer) = latest.filter(|latest| latest.id != id) {
            let is_open = newer.status.is_open();
            return Err(if is_open {
                ResendError::AlreadyInvited(newer.id)
            } else {
                ResendError::Closed
            });
        }
        let wait = invitation.resend_wait(ctx.now());
        let (invitation, change) =
            resend_change(ctx, invitation, &user, by).ok_or(ResendError::Closed)?;
        if let Some(wait) = wait {
            return Err(ResendError::TooSoon(wait));
        }
        if retry.apply(ctx, change).await? {
            return Ok(invitation);
        }
    }
}

/// Creates the change that resends an invitation as a new delivery; `None` if it cannot be resent.
pub(crate) fn resend_change(
    ctx: &Ctx,
    mut invitation: Invitation,
    user: &User,
    by: &Actor,
) -> Option<(Invitation, Change)> {
    let before = invitation.clone();
    invitation.delivery += 1;
    let (invitation, change) = requeue_change(ctx, invitation, user, by)?;
    let change = cancel_dead_delivery(ctx, change, &before);
    let job = SendInvitation::of(&invitation).into_job(ctx, invitation.next_attempt_at);
    Some((invitation, change.job(job)))
}

/// Creates the change that queues an invitation again, without a job; `None` if it cannot be resent.
pub(in crate::flows) fn requeue_change(
    ctx: &Ctx,
    mut invitation: Invitation,
    user: &User,
    by: &Actor,
) -> Option<(Invitation, Change)> {
    if user.status != UserStatus::Invited {
        return None;
    }
    let lifetime = invitation.expires_at.duration_since(invitation.requested_at());
    let now = ctx.now();
    invitation.requeue(now, now + lifetime).ok()?;
    let event = ctx.invitation_event(EventKind::Resent, &invitation, by, Value::Null);
    // Updating the user causes a conflict if they log in or are removed at the same time.
    let change =
        Change::new().update_user(user.clone()).update_invitation(invitation.clone()).event(event);
    Some((invitation, change))
}
