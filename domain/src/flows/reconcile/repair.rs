//! Confirms and repairs one difference.

use serde_json::Value;
use thiserror::Error;

use super::findings::RepairCandidate;
use super::known_users::is_sole_owner;
use crate::flows::end_sessions::{SessionEnd, add_session_end};
use crate::{
    Actor, Change, Ctx, EndReason, Event, EventKind, InvitationStatus, OptimisticRetry,
    ProviderError, SessionSelector, StoreError, StoreResult, Tombstone, User, UserStatus,
};

/// The reason why a difference was neither repaired nor found to be none.
#[derive(Debug, Error)]
pub(super) enum RepairError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A confirmed difference.
#[derive(Debug)]
pub(super) enum Confirmed {
    /// The user's identity does not exist.
    Gone(User),
    /// The user has no identity, and one exists that is theirs.
    Unlinked(User),
    /// The identity of a removed user exists.
    Removed(Tombstone),
}

/// Checks a candidate again. The identity is loaded before the row, so that the row is as recent as
/// possible when it is written.
pub(super) async fn confirm(
    ctx: &Ctx,
    candidate: &RepairCandidate,
) -> Result<Option<Confirmed>, RepairError> {
    let profile = ctx.provider.identity(candidate.identity()).await?;
    Ok(match (candidate, profile) {
        (RepairCandidate::Gone { user, identity }, None) => {
            let holder = holder(ctx, identity).await?;
            holder.filter(|holder| holder.id == *user).map(Confirmed::Gone)
        }
        (RepairCandidate::Unlinked { .. }, Some(profile)) => {
            let user = user_without_identity(ctx, candidate).await?;
            user.filter(|user| is_sole_owner(&profile, user)).map(Confirmed::Unlinked)
        }
        (RepairCandidate::Removed { identity }, Some(profile)) => {
            // One of its addresses may have been invited since.
            let is_in_use = ctx.store.user_by_provider_id(identity).await?.is_some()
                || !ctx.store.users_by_emails(&profile.emails).await?.is_empty();
            let tombstones = ctx.store.tombstones(std::slice::from_ref(identity)).await?;
            tombstones.into_iter().next().filter(|_| !is_in_use).map(Confirmed::Removed)
        }
        _ => None,
    })
}

/// Returns the user who has an identity, unless the user is being removed.
pub(crate) async fn holder(ctx: &Ctx, identity: &str) -> StoreResult<Option<User>> {
    let user = ctx.store.user_by_provider_id(identity).await?;
    Ok(user.filter(|user| user.status != UserStatus::Deleting))
}

/// Returns the candidate's user if the user has no identity, no other user has the candidate's, and no
/// mail is being sent that would link it.
pub(crate) async fn user_without_identity(
    ctx: &Ctx,
    candidate: &RepairCandidate,
) -> StoreResult<Option<User>> {
    let RepairCandidate::Unlinked { user, identity } = candidate else { return Ok(None) };
    let Some(user) = ctx.store.user(*user).await? else { return Ok(None) };
    if user.provider_user_id.is_some() || user.status == UserStatus::Deleting {
        return Ok(None);
    }
    let latest = ctx.store.latest_invitation(user.id).await?;
    let is_being_sent = latest.is_some_and(|one| one.status == InvitationStatus::Queued);
    let is_taken = ctx.store.user_by_provider_id(identity).await?.is_some();
    Ok((!is_being_sent && !is_taken).then_some(user))
}

/// Repairs a confirmed difference. Returns `false` if it has disappeared since.
pub(super) async fn repair(
    ctx: &Ctx,
    candidate: &RepairCandidate,
    confirmed: Confirmed,
    by: &Actor,
) -> Result<bool, RepairError> {
    let mut retry = OptimisticRetry::default();
    let mut next = Some(confirmed);
    while let Some(confirmed) = next {
        let change = match confirmed {
            Confirmed::Gone(user) => unlink_identity(ctx, user, by).await?,
            Confirmed::Unlinked(user) => link_identity(ctx, user, candidate.identity(), by),
            Confirmed::Removed(tombstone) => {
                ctx.provider.delete_user(candidate.identity()).await?;
                let event = ctx.event(EventKind::IdentityDeleted, by, Value::Null);
                Change::new().event(Event { user_id: Some(tombstone.user_id), ..event })
            }
        };
        if retry.apply(ctx, change).await? {
            return Ok(true);
        }
        next = confirm(ctx, candidate).await?;
    }
    Ok(false)
}

/// Creates the change that unlinks a deleted identity and ends the user's sessions, which ended with it.
/// The next mail to the user creates a new identity.
pub(crate) async fn unlink_identity(ctx: &Ctx, mut user: User, by: &Actor) -> StoreResult<Change> {
    let before = user.clone();
    user.provider_user_id = None;
    let live = ctx.store.live_sessions(user.id, ctx.now()).await?;
    let (sessions, reason) = (SessionSelector::All, EndReason::GoneAtProvider);
    let change = Change::new().update_user(before, user.clone());
    let end = SessionEnd { sessions, reason, by };
    let change = add_session_end(ctx, change, &user, &live, end);
    let event = ctx.user_event(EventKind::IdentityForgotten, &user, by);
    Ok(change.event(event))
}

/// Creates the change that links an identity to a user.
pub(crate) fn link_identity(ctx: &Ctx, mut user: User, identity: &str, by: &Actor) -> Change {
    let before = user.clone();
    user.provider_user_id = Some(identity.to_owned());
    let event = ctx.user_event(EventKind::IdentityLinked, &user, by);
    Change::new().update_user(before, user).event(event)
}
