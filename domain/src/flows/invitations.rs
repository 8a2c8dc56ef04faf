//! Resends and revokes invitations.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::jobs::{RevokeInvitation, SendInvitation, cancel_dead_delivery};
use crate::{
    Actor, Change, Ctx, EventKind, Invitation, InvitationId, InvitationStatus, ManageableRoles,
    OptimisticRetry, StoreError, User, UserStatus,
};

/// The error of resending or revoking an invitation.
#[derive(Debug, Error)]
pub enum InvitationError {
    #[error("no such invitation")]
    NotFound,
    /// The invitation was accepted. It cannot be resent either if it was revoked or superseded, or if
    /// the invitee is a user already.
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

/// Returns an invitation that the caller may manage.
async fn find_manageable(
    ctx: &Ctx,
    id: InvitationId,
    manageable: ManageableRoles,
) -> Result<Invitation, InvitationError> {
    let invitation = ctx.store.invitation(id).await?.ok_or(InvitationError::NotFound)?;
    if manageable.includes_invitation(ctx, &invitation).await? {
        Ok(invitation)
    } else {
        Err(InvitationError::Forbidden)
    }
}

/// Resends an invitation. Earlier deliveries that are still queued become obsolete.
pub async fn resend(
    ctx: &Ctx,
    id: InvitationId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<Invitation, InvitationError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let invitation = find_manageable(ctx, id, manageable).await?;
        let user = ctx.store.user(invitation.user_id).await?.ok_or(InvitationError::NotFound)?;
        let latest = ctx.store.latest_invitation(user.id).await?;
        // Logins depend on the newest invitation, so an older one must not be opened again.
        if let Some(newer) = latest.filter(|latest| latest.id != id) {
            let is_open = newer.status.is_open();
            return Err(if is_open {
                InvitationError::AlreadyInvited(newer.id)
            } else {
                InvitationError::Closed
            });
        }
        let wait = invitation.resend_wait(ctx.now());
        let (invitation, change) =
            resend_change(ctx, &invitation, &user, by).ok_or(InvitationError::Closed)?;
        if let Some(wait) = wait {
            return Err(InvitationError::TooSoon(wait));
        }
        if retry.apply(ctx, change).await? {
            return Ok(invitation);
        }
    }
}

/// Creates the change that resends an invitation as a new delivery; `None` if it cannot be resent.
pub(crate) fn resend_change(
    ctx: &Ctx,
    before: &Invitation,
    user: &User,
    by: &Actor,
) -> Option<(Invitation, Change)> {
    let (invitation, change) = requeue_change(ctx, before, before.delivery + 1, user, by)?;
    let change = cancel_dead_delivery(ctx, change, before);
    let job = SendInvitation::of(&invitation).into_job(ctx, invitation.next_attempt_at);
    Some((invitation, change.job(job)))
}

/// Creates the change that queues an invitation again, for the given delivery, without a job; `None` if
/// it cannot be resent.
pub(in crate::flows) fn requeue_change(
    ctx: &Ctx,
    before: &Invitation,
    delivery: i32,
    user: &User,
    by: &Actor,
) -> Option<(Invitation, Change)> {
    if user.status != UserStatus::Invited {
        return None;
    }
    let mut invitation = before.clone();
    invitation.delivery = delivery;
    let lifetime = invitation.expires_at.duration_since(invitation.requested_at());
    let now = ctx.now();
    invitation.requeue(now, now + lifetime).ok()?;
    let event = ctx.invitation_event(EventKind::Resent, &invitation, by, Value::Null);
    // Updating the user causes a conflict if they log in or are removed at the same time.
    let change = Change::new()
        .require_user(user)
        .update_invitation(before.clone(), invitation.clone())
        .event(event);
    Some((invitation, change))
}

/// Revokes an invitation. Revoking it again has no effect.
pub async fn revoke(
    ctx: &Ctx,
    id: InvitationId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<Invitation, InvitationError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let invitation = find_manageable(ctx, id, manageable).await?;
        if invitation.status == InvitationStatus::Revoked {
            return Ok(invitation);
        }
        let (revoked, change) = add_revocation(ctx, Change::new(), &invitation, by);
        let revoked = revoked.ok_or(InvitationError::Closed)?;
        if retry.apply(ctx, change).await? {
            return Ok(revoked);
        }
    }
}

/// Adds the revocation of an invitation to a change, unless it was accepted or revoked before. Returns
/// the revoked invitation.
pub(in crate::flows) fn add_revocation(
    ctx: &Ctx,
    change: Change,
    invitation: &Invitation,
    by: &Actor,
) -> (Option<Invitation>, Change) {
    let mut revoked = invitation.clone();
    if revoked.mark_revoked().is_err() {
        return (None, change);
    }
    let event = ctx.invitation_event(EventKind::Revoked, &revoked, by, Value::Null);
    let job = RevokeInvitation::job_for(ctx, &revoked);
    let change = cancel_dead_delivery(ctx, change, invitation);
    let change =
        change.update_invitation(invitation.clone(), revoked.clone()).event(event).job(job);
    (Some(revoked), change)
}
