//! One suspicion: looked at again, here and at Stytch, and repaired if it is so.

use super::compare::{RepairCandidate, is_theirs_alone};
use crate::flows::sessions::{Ending, end};
use crate::{
    Actor, Change, Ctx, EndReason, Event, EventKind, InvitationStatus, OptimisticRetry,
    ProviderError, SessionSelector, StoreError, Tombstone, User, UserStatus,
};

/// What came of it: whether it was so, if Stytch said.
pub(super) type Repaired = Result<Result<bool, ProviderError>, StoreError>;

/// A suspicion that is so.
#[derive(Debug)]
pub(super) enum Confirmed {
    /// This user has an identity that is gone.
    Gone(User),
    /// This user has none, and there is one that is theirs.
    Unlinked(User),
    /// The identity of somebody who was removed is still there.
    Removed(Tombstone),
}

/// Asks Stytch first, and then reads what stands here: the row that is written is as new as can
/// be.
pub(super) async fn confirm(
    ctx: &Ctx,
    suspicion: &RepairCandidate,
) -> Result<Result<Option<Confirmed>, ProviderError>, StoreError> {
    let profile = match ctx.provider.identity(suspicion.identity()).await {
        Ok(profile) => profile,
        Err(error) => return Ok(Err(error)),
    };
    let confirmed = match (suspicion, profile) {
        (RepairCandidate::Gone { .. }, None) => {
            still_has(ctx, suspicion).await?.map(Confirmed::Gone)
        }
        (RepairCandidate::Unlinked { .. }, Some(profile)) => {
            let user = still_lacks(ctx, suspicion).await?;
            user.filter(|user| is_theirs_alone(&profile, user)).map(Confirmed::Unlinked)
        }
        (RepairCandidate::Removed { identity }, Some(profile)) => {
            // Somebody may have been invited by one of its addresses since.
            let is_wanted = ctx.store.user_by_provider_id(identity).await?.is_some()
                || !ctx.store.users_by_emails(&profile.emails).await?.is_empty();
            let tombstones = ctx.store.tombstones(std::slice::from_ref(identity)).await?;
            tombstones.into_iter().next().filter(|_| !is_wanted).map(Confirmed::Removed)
        }
        _ => None,
    };
    Ok(Ok(confirmed))
}

/// The user, if they have the identity that is gone.
async fn still_has(ctx: &Ctx, suspicion: &RepairCandidate) -> Result<Option<User>, StoreError> {
    let RepairCandidate::Gone { user, identity } = suspicion else { return Ok(None) };
    let has_it = holder(ctx, identity).await?;
    Ok(has_it.filter(|one| one.id == *user))
}

/// Whose identity it is, unless they are on their way out anyway.
pub(super) async fn holder(ctx: &Ctx, identity: &str) -> Result<Option<User>, StoreError> {
    let user = ctx.store.user_by_provider_id(identity).await?;
    Ok(user.filter(|user| user.status != UserStatus::Deleting))
}

/// The user, if they have no identity, nobody else has that one, and no mail is on its way that
/// will tell.
pub(super) async fn still_lacks(
    ctx: &Ctx,
    suspicion: &RepairCandidate,
) -> Result<Option<User>, StoreError> {
    let RepairCandidate::Unlinked { user, identity } = suspicion else { return Ok(None) };
    let Some(user) = ctx.store.user(*user).await? else { return Ok(None) };
    if user.provider_user_id.is_some() || user.status == UserStatus::Deleting {
        return Ok(None);
    }
    let latest = ctx.store.latest_invitation(user.id).await?;
    let is_being_sent = latest.is_some_and(|one| one.status == InvitationStatus::Queued);
    let is_taken = ctx.store.user_by_provider_id(identity).await?.is_some();
    Ok((!is_being_sent && !is_taken).then_some(user))
}

pub(super) async fn repair(
    ctx: &Ctx,
    suspicion: &RepairCandidate,
    confirmed: Confirmed,
    by: &Actor,
) -> Repaired {
    let mut retry = OptimisticRetry::default();
    let mut next = Some(confirmed);
    while let Some(confirmed) = next {
        let change = match confirmed {
            Confirmed::Gone(user) => forget(ctx, user, by).await?,
            Confirmed::Unlinked(user) => adopt(ctx, user, suspicion.identity(), by),
            Confirmed::Removed(tombstone) => {
                if let Err(error) = ctx.provider.delete_user(suspicion.identity()).await {
                    return Ok(Err(error));
                }
                Change::new().event(deleted(ctx, &tombstone, by))
            }
        };
        if retry.apply(ctx, change).await? {
            return Ok(Ok(true));
        }
        next = match confirm(ctx, suspicion).await? {
            Ok(next) => next,
            Err(error) => return Ok(Err(error)),
        };
    }
    Ok(Ok(false))
}

/// They stay who they are here. Stytch has ended their sessions with the identity; the next mail
/// to them makes a new one.
pub(super) async fn forget(ctx: &Ctx, mut user: User, by: &Actor) -> Result<Change, StoreError> {
    user.provider_user_id = None;
    let live = ctx.store.live_sessions(user.id, ctx.now()).await?;
    let ending = Ending { which: SessionSelector::All, reason: EndReason::GoneAtProvider, by };
    let change = end(ctx, Change::new().update_user(user.clone()), &user, &live, ending);
    let event = ctx.user_event(EventKind::IdentityForgotten, &user, by);
    Ok(change.event(event))
}

pub(super) fn adopt(ctx: &Ctx, mut user: User, identity: &str, by: &Actor) -> Change {
    user.provider_user_id = Some(identity.to_owned());
    let event = ctx.user_event(EventKind::IdentityAdopted, &user, by);
    Change::new().update_user(user).event(event)
}

fn deleted(ctx: &Ctx, tombstone: &Tombstone, by: &Actor) -> Event {
    let event = ctx.event(EventKind::IdentityDeleted, by, serde_json::Value::Null);
    Event { user_id: Some(tombstone.user_id), ..event }
}
