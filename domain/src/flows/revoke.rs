//! An invitation is taken back: here at once, at Stytch soon after.

use serde_json::Value;
use thiserror::Error;

use crate::flows::RevokeInvitation;
use crate::flows::deliver::dismiss;
use crate::flows::subject::covers_invitation;
use crate::{
    Actor, Change, Ctx, EventKind, Invitation, InvitationId, InvitationStatus, ManageableRoles,
    OptimisticRetry, StoreError,
};

/// Why it was not taken back.
#[derive(Debug, Error)]
pub enum RevokeError {
    /// There is none.
    #[error("no such invitation")]
    NotFound,
    /// The person came in.
    #[error("the invitation was accepted")]
    Closed,
    /// Whoever asks may not act on somebody of its role.
    #[error("beyond the manageable of whoever asks")]
    Forbidden,
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes an invitation back, for ever. Once is as good as twice.
pub async fn revoke(
    ctx: &Ctx,
    id: InvitationId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<Invitation, RevokeError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let invitation = ctx.store.invitation(id).await?.ok_or(RevokeError::NotFound)?;
        if !covers_invitation(ctx, manageable, &invitation).await? {
            return Err(RevokeError::Forbidden);
        }
        if invitation.status == InvitationStatus::Revoked {
            return Ok(invitation);
        }
        let (revoked, change) =
            take_back(ctx, Change::new(), &invitation, by).ok_or(RevokeError::Closed)?;
        if retry.apply(ctx, change).await? {
            return Ok(revoked);
        }
    }
}

/// Adds to a change what takes an invitation back.
pub(super) fn take_back(
    ctx: &Ctx,
    change: Change,
    invitation: &Invitation,
    by: &Actor,
) -> Option<(Invitation, Change)> {
    let mut revoked = invitation.clone();
    revoked.revoked().ok()?;
    let event = ctx.invitation_event(EventKind::Revoked, &revoked, by, Value::Null);
    let job = RevokeInvitation::of(&revoked).into_job(ctx);
    let change = dismiss(ctx, change, invitation);
    let change = change.update_invitation(revoked.clone()).event(event).job(job);
    Some((revoked, change))
}
