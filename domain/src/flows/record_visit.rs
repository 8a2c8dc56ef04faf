//! Records the first time that an invitation's link is opened. Opening a link does not consume it.

use serde_json::Value;

use crate::{
    Actor, Change, Ctx, EventKind, Invitation, InvitationId, OptimisticRetry, StoreResult,
};

/// Records that an invitation's link was opened. Returns the invitation.
pub async fn record_visit(ctx: &Ctx, id: InvitationId) -> StoreResult<Option<Invitation>> {
    let mut retry = OptimisticRetry::default();
    loop {
        let Some(mut invitation) = ctx.store.invitation(id).await? else {
            return Ok(None);
        };
        if invitation.visited_at.is_some() || !invitation.can_be_accepted(ctx.now()) {
            return Ok(Some(invitation));
        }
        invitation.visited_at = Some(ctx.now());
        let event =
            ctx.invitation_event(EventKind::Visited, &invitation, &Actor::System, Value::Null);
        let change = Change::new().update_invitation(invitation.clone()).event(event);
        if retry.apply(ctx, change).await? {
            return Ok(Some(invitation));
        }
    }
}
