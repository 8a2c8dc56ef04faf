//! Records that an invitation's link is opened, which does not consume it.

use serde_json::json;

use crate::{
    Actor, Change, Ctx, EventKind, Invitation, InvitationId, OptimisticRetry, StoreResult, Visitor,
};

/// Records the first time that an invitation's link is opened, and the first time that a browser
/// opens it: mail scanners usually precede people. Returns the invitation.
pub async fn record_visit(
    ctx: &Ctx,
    id: InvitationId,
    user_agent: Option<&str>,
) -> StoreResult<Option<Invitation>> {
    let mut retry = OptimisticRetry::default();
    loop {
        let Some(mut invitation) = ctx.store.invitation(id).await? else {
            return Ok(None);
        };
        let now = ctx.now();
        if !invitation.can_be_accepted(now) {
            return Ok(Some(invitation));
        }
        let sent_at = invitation.sent_at.or(invitation.in_doubt_since);
        let by = Visitor::guess(user_agent, sent_at.map(|sent_at| now.duration_since(sent_at)));
        let is_first = invitation.visited_at.is_none();
        if !is_first && (by != Visitor::Browser || has_browser_visit(ctx, id).await?) {
            return Ok(Some(invitation));
        }
        let before = invitation.clone();
        invitation.visited_at.get_or_insert(now);
        let detail = json!({ "by": by.as_str() });
        let event = ctx.invitation_event(EventKind::Visited, &invitation, &Actor::System, detail);
        let change = Change::new().update_invitation(before, invitation.clone()).event(event);
        if retry.apply(ctx, change).await? {
            return Ok(Some(invitation));
        }
    }
}

/// Returns whether a browser has opened the current link. Visits without a visitor, as earlier
/// versions recorded them, count as such.
async fn has_browser_visit(ctx: &Ctx, id: InvitationId) -> StoreResult<bool> {
    let timeline = ctx.store.timeline(id).await?;
    let of_this_link = timeline.iter().rev().take_while(|event| event.kind != EventKind::Resent);
    let mut visits = of_this_link.filter(|event| event.kind == EventKind::Visited);
    Ok(visits.any(|visit| {
        let by = visit.detail["by"].as_str();
        by.is_none_or(|by| by == Visitor::Browser.as_str())
    }))
}
