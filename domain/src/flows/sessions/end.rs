//! Sessions end before their time: here at once, at Stytch soon after. By whom and why is told.

use serde_json::json;
use thiserror::Error;

use crate::flows::RevokeSession;
use crate::{
    Actor, Change, Ctx, EndReason, EndSessions, Event, EventKind, ManageableRoles, OptimisticRetry,
    Session, SessionId, SessionSelector, StoreError, User, UserId,
};

/// Somebody leaves.
pub async fn log_out(ctx: &Ctx, session: &Session, user: &User) -> Result<(), StoreError> {
    let (which, reason) = (SessionSelector::One(session.id), EndReason::LoggedOut);
    let by = &Actor::of(user);
    end_live(ctx, user.id, Ending { which, reason, by }).await.map(drop)
}

/// Ends one session of a person; none when it is none of theirs, or has ended.
pub async fn end_session(
    ctx: &Ctx,
    user: UserId,
    session: SessionId,
    by: &Actor,
) -> Result<Option<Session>, StoreError> {
    let (which, reason) = (SessionSelector::One(session), EndReason::Revoked);
    let ended = end_live(ctx, user, Ending { which, reason, by }).await?;
    Ok(ended.and_then(|ended| ended.into_iter().next()))
}

/// Ends all sessions of a person but one; answers how many.
pub async fn end_other_sessions(
    ctx: &Ctx,
    user: UserId,
    but: SessionId,
    by: &Actor,
) -> Result<usize, StoreError> {
    let (which, reason) = (SessionSelector::AllBut(but), EndReason::Revoked);
    let ended = end_live(ctx, user, Ending { which, reason, by }).await?;
    Ok(ended.map_or(0, |ended| ended.len()))
}

/// Why nobody's sessions were ended.
#[derive(Debug, Error)]
pub enum EndAllError {
    /// There is no such person.
    #[error("no such user")]
    NotFound,
    /// Whoever asks may not act on somebody of that role.
    #[error("beyond the manageable of whoever asks")]
    Forbidden,
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends all sessions of a person; answers how many.
pub async fn end_all_sessions(
    ctx: &Ctx,
    user: UserId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<usize, EndAllError> {
    let ending = Ending { which: SessionSelector::All, reason: EndReason::Revoked, by };
    let mut retry = OptimisticRetry::default();
    loop {
        let user = ctx.store.user(user).await?.ok_or(EndAllError::NotFound)?;
        if !manageable.includes(user.role) {
            return Err(EndAllError::Forbidden);
        }
        if let Some(ended) = end_live_of(ctx, &mut retry, &user, ending).await? {
            return Ok(ended.len());
        }
    }
}

/// Stytch has said that it knows the session no more.
pub(super) async fn is_gone_at_provider(ctx: &Ctx, session: &Session) -> Result<(), StoreError> {
    let (which, reason) = (SessionSelector::One(session.id), EndReason::GoneAtProvider);
    let by = &Actor::System;
    end_live(ctx, session.user_id, Ending { which, reason, by }).await.map(drop)
}

/// Which sessions of a person end, why, and by whose doing.
#[derive(Clone, Copy)]
pub(in crate::flows) struct Ending<'a> {
    pub(in crate::flows) which: SessionSelector,
    pub(in crate::flows) reason: EndReason,
    pub(in crate::flows) by: &'a Actor,
}

/// Answers those that ended; none when there is no such person.
async fn end_live(
    ctx: &Ctx,
    user: UserId,
    ending: Ending<'_>,
) -> Result<Option<Vec<Session>>, StoreError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let Some(user) = ctx.store.user(user).await? else { return Ok(None) };
        if let Some(ended) = end_live_of(ctx, &mut retry, &user, ending).await? {
            return Ok(Some(ended));
        }
    }
}

/// One round; none when the user has changed since they were read.
///
/// They are read before the sessions: whoever comes in meanwhile changes the user, so that no
/// session is ended that was not seen, and none is told of twice.
async fn end_live_of(
    ctx: &Ctx,
    retry: &mut OptimisticRetry,
    user: &User,
    ending: Ending<'_>,
) -> Result<Option<Vec<Session>>, StoreError> {
    let mut live = live(ctx, user.id, ending.which).await?;
    live.retain(|session| ending.which.includes(session.id));
    if live.is_empty() {
        return Ok(Some(live));
    }
    let change = end(ctx, Change::new().update_user(user.clone()), user, &live, ending);
    Ok(retry.apply(ctx, change).await?.then_some(live))
}

async fn live(ctx: &Ctx, user: UserId, which: SessionSelector) -> Result<Vec<Session>, StoreError> {
    let SessionSelector::One(id) = which else {
        return ctx.store.live_sessions(user, ctx.now()).await;
    };
    let session = ctx.store.session(id).await?;
    let is_live = |session: &Session| session.user_id == user && session.is_live(ctx.now());
    Ok(session.filter(is_live).into_iter().collect())
}

/// Adds to a change the end of sessions, of which those that are live are told.
pub(in crate::flows) fn end(
    ctx: &Ctx,
    change: Change,
    user: &User,
    live: &[Session],
    ending: Ending<'_>,
) -> Change {
    let Ending { which, reason, by } = ending;
    let change = change.end_sessions(EndSessions {
        user_id: user.id,
        sessions: which,
        at: ctx.now(),
        reason,
    });
    live.iter().fold(change, |change, session| {
        let detail = json!({ "session": session.id, "reason": reason.as_str() });
        let event = ctx.user_event(EventKind::SessionEnded, user, by);
        let change = change.event(Event { detail, ..event });
        if is_known_at_stytch(reason) {
            change.job(RevokeSession::of(&session.provider_session_id).into_job(ctx))
        } else {
            change
        }
    })
}

/// Whether Stytch has to be told; with a person who is removed their sessions go by themselves.
fn is_known_at_stytch(reason: EndReason) -> bool {
    !matches!(reason, EndReason::GoneAtProvider | EndReason::Removed)
}
