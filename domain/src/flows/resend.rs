//! An invitation is sent once more: a new link, a new end.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::flows::SendInvitation;
use crate::flows::deliver::dismiss;
use crate::flows::subject::covers_invitation;
use crate::{
    Actor, Change, Ctx, EventKind, Invitation, InvitationId, ManageableRoles, OptimisticRetry,
    StoreError, User, UserStatus,
};

/// Why it was not sent again.
#[derive(Debug, Error)]
pub enum ResendError {
    /// There is none.
    #[error("no such invitation")]
    NotFound,
    /// It was accepted or revoked, or its person came in another way.
    #[error("the invitation is closed")]
    Closed,
    /// The address has a newer one that is open.
    #[error("the address has a newer invitation")]
    AlreadyInvited(InvitationId),
    /// Whoever asks may not let anybody in with its role.
    #[error("beyond the manageable of whoever asks")]
    Forbidden,
    /// It was sent again a moment ago.
    #[error("too soon")]
    TooSoon(Duration),
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sends an invitation once more; what was to be sent of it before is not sent any more.
pub async fn resend(
    ctx: &Ctx,
    id: InvitationId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<Invitation, ResendError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let invitation = ctx.store.invitation(id).await?.ok_or(ResendError::NotFound)?;
        if !covers_invitation(ctx, manageable, &invitation).await? {
            return Err(ResendError::Forbidden);
        }
        let user = ctx.store.user(invitation.user_id).await?.ok_or(ResendError::NotFound)?;
        let latest = ctx.store.latest_invitation(user.id).await?;
        // Everything else looks at the newest: an older one would be open and let nobody in.
        if let Some(newer) = latest.filter(|latest| latest.id != id) {
            let is_open = newer.status.is_open();
            return Err(if is_open {
                ResendError::AlreadyInvited(newer.id)
            } else {
                ResendError::Closed
            });
        }
        let wait = invitation.resend_wait(ctx.now());
        let (invitation, change) = again(ctx, invitation, &user, by).ok_or(ResendError::Closed)?;
        if let Some(wait) = wait {
            return Err(ResendError::TooSoon(wait));
        }
        if retry.apply(ctx, change).await? {
            return Ok(invitation);
        }
    }
}

/// The change that sends an invitation once more, as a new delivery; none when it or its person
/// can't be any more.
pub(super) fn again(
    ctx: &Ctx,
    mut invitation: Invitation,
    user: &User,
    by: &Actor,
) -> Option<(Invitation, Change)> {
    let before = invitation.clone();
    invitation.delivery += 1;
    let (invitation, change) = renew(ctx, invitation, user, by)?;
    let change = dismiss(ctx, change, &before);
    let job = SendInvitation::of(&invitation).into_job(ctx, invitation.next_attempt_at);
    Some((invitation, change.job(job)))
}

/// The change that makes an invitation one that is to be sent; whoever asks sees to the job.
pub(super) fn renew(
    ctx: &Ctx,
    mut invitation: Invitation,
    user: &User,
    by: &Actor,
) -> Option<(Invitation, Change)> {
    if user.status != UserStatus::Invited {
        return None;
    }
    let lasts = invitation.expires_at.duration_since(invitation.requested_at());
    let now = ctx.now();
    invitation.resent(now, now + lasts).ok()?;
    let event = ctx.invitation_event(EventKind::Resent, &invitation, by, Value::Null);
    // The user is written too: whoever comes in, goes or is added meanwhile must not be asked again.
    let change =
        Change::new().update_user(user.clone()).update_invitation(invitation.clone()).event(event);
    Some((invitation, change))
}
