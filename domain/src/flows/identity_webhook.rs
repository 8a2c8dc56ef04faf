//! Handles webhook events about identities.
//!
//! Events arrive late, repeatedly and out of order, and most report changes that Guestlist made itself. So
//! an event changes nothing: if it contradicts the stored state, a job loads the identity's current state.

use super::reconcile::{RepairCandidate, known_users, repair};
use crate::jobs::CheckIdentity;
use crate::{Change, Ctx, IdentityEvent, StoreResult, Verdict};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// The event contradicts the stored state; the identity will be checked.
    CheckScheduled,
    /// The event agrees with the stored state, or concerns no user.
    Consistent,
    Duplicate,
}

pub async fn handle_identity_webhook(
    ctx: &Ctx,
    event: &IdentityEvent,
) -> StoreResult<WebhookOutcome> {
    if !is_contradiction(ctx, event).await? {
        return Ok(WebhookOutcome::Consistent);
    }
    let job = CheckIdentity::job_for(ctx, &event.message_id, &event.provider_user_id);
    Ok(match ctx.store.apply(Change::new().job(job)).await? {
        Verdict::Applied => WebhookOutcome::CheckScheduled,
        Verdict::Conflict | Verdict::LeaseLost => WebhookOutcome::Duplicate,
    })
}

/// Returns whether an event contradicts the stored state. Late events about removed users do not: their
/// tombstones are stored.
async fn is_contradiction(ctx: &Ctx, event: &IdentityEvent) -> StoreResult<bool> {
    Ok(match &event.profile {
        None => repair::holder(ctx, &event.provider_user_id).await?.is_some(),
        Some(profile) => {
            match known_users::repair_candidate(ctx, profile).await? {
                // Read again: the user was read before the invitation, and a mail that was recorded in
                // between has linked the identity.
                Some(unlinked @ RepairCandidate::Unlinked { .. }) => {
                    repair::user_without_identity(ctx, &unlinked).await?.is_some()
                }
                _ => false,
            }
        }
    })
}
