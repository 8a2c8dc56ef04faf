//! A link was opened. Nothing is consumed by that; the timeline notes the first time.

use serde_json::Value;

use crate::{Actor, Change, Ctx, EventKind, Invitation, InvitationId, OptimisticRetry, StoreError};

/// Notes that an invitation's link was opened, and answers with the invitation, if there is one.
pub async fn record_visit(ctx: &Ctx, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
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
