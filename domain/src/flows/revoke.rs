//! Revokes an invitation: here at once, and at the provider by a job.

use serde_json::Value;
use thiserror::Error;

use crate::jobs::{RevokeInvitation, cancel_dead_delivery};
use crate::{
    Actor, Change, Ctx, EventKind, Invitation, InvitationId, InvitationStatus, ManageableRoles,
    OptimisticRetry, StoreError,
};

/// The error of revoking an invitation.
#[derive(Debug, Error)]
pub enum RevokeError {
    #[error("no such invitation")]
    NotFound,
    /// The invitation was accepted.
    #[error("the invitation was accepted")]
    Closed,
    /// The caller may not manage the invitee's role.
    #[error("the caller may not manage this invitation")]
    Forbidden,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Revokes an invitation. Revoking it again has no effect.
pub async fn revoke(
    ctx: &Ctx,
    id: InvitationId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<Invitation, RevokeError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let invitation = ctx.store.invitation(id).await?.ok_or(RevokeError::NotFound)?;
        if !manageable.includes_invitation(ctx, &invitation).await? {
            return Err(RevokeError::Forbidden);
        }
        if invitation.status == InvitationStatus::Revoked {
            return Ok(invitation);
        }
        let (revoked, change) =
            add_revocation(ctx, Change::new(), &invitation, by).ok_or(RevokeError::Closed)?;
        if retry.apply(ctx, change).await? {
            return Ok(revoked);
        }
    }
}

/// Adds the revocation of an invitation to a change; `None` if it was accepted or revoked before.
pub(in crate::flows) fn add_revocation(
    ctx: &Ctx,
    change: Change,
    invitation: &Invitation,
    by: &Actor,
) -> Option<(Invitation, Change)> {
    let mut revoked = invitation.clone();
    revoked.mark_revoked().ok()?;
    let event = ctx.invitation_event(EventKind::Revoked, &revoked, by, Value::Null);
    let job = RevokeInvitation::job_for(ctx, &revoked);
    let change = cancel_dead_delivery(ctx, change, invitation);
    let change = change.update_invitation(revoked.clone()).event(event).job(job);
    Some((revoked, change))
}
