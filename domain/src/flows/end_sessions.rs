//! Ends sessions before they expire: here at once, and at the provider by jobs.

use serde_json::json;

use crate::jobs::RevokeSession;
use crate::{
    Actor, Change, Ctx, EndReason, EndSessions, Event, EventKind, OptimisticRetry, Session,
    SessionId, SessionSelector, StoreResult, User, UserId,
};

/// Which sessions of a user end, why, and who ends them.
#[derive(Clone, Copy)]
pub(in crate::flows) struct SessionEnd<'a> {
    pub(in crate::flows) sessions: SessionSelector,
    pub(in crate::flows) reason: EndReason,
    pub(in crate::flows) by: &'a Actor,
}

pub async fn log_out(ctx: &Ctx, session: &Session, user: &User) -> StoreResult<()> {
    let (sessions, reason) = (SessionSelector::One(session.id), EndReason::LoggedOut);
    let by = &Actor::of(user);
    end_live(ctx, user.id, SessionEnd { sessions, reason, by }).await.map(drop)
}

/// Ends one session of a user. Returns `None` if it has ended or is not the user's.
pub async fn end_session(
    ctx: &Ctx,
    user: UserId,
    session: SessionId,
    by: &Actor,
) -> StoreResult<Option<Session>> {
    let (sessions, reason) = (SessionSelector::One(session), EndReason::Revoked);
    let ended = end_live(ctx, user, SessionEnd { sessions, reason, by }).await?;
    Ok(ended.into_iter().next())
}

/// Ends all sessions of a user but one. Returns the number of ended sessions.
pub async fn end_other_sessions(
    ctx: &Ctx,
    user: UserId,
    except: SessionId,
    by: &Actor,
) -> StoreResult<usize> {
    let (sessions, reason) = (SessionSelector::AllBut(except), EndReason::Revoked);
    Ok(end_live(ctx, user, SessionEnd { sessions, reason, by }).await?.len())
}

/// Ends a session that the provider no longer knows.
pub(in crate::flows) async fn end_unknown_session(ctx: &Ctx, session: &Session) -> StoreResult<()> {
    let (sessions, reason) = (SessionSelector::One(session.id), EndReason::GoneAtProvider);
    let by = &Actor::System;
    end_live(ctx, session.user_id, SessionEnd { sessions, reason, by }).await.map(drop)
}

/// Returns the sessions that were live; none if the user does not exist.
async fn end_live(ctx: &Ctx, user: UserId, end: SessionEnd<'_>) -> StoreResult<Vec<Session>> {
    let mut retry = OptimisticRetry::default();
    loop {
        let Some(user) = ctx.store.user(user).await? else { return Ok(Vec::new()) };
        if let Some(ended) = try_end_live(ctx, &mut retry, &user, end).await? {
            return Ok(ended);
        }
    }
}

/// Ends sessions unless the user has changed since they were read; `None` then.
///
/// The user is read before the sessions and updated with them. A concurrent login also updates the user
/// and so causes a conflict: no session is ended unseen, and no event is written twice.
pub(in crate::flows) async fn try_end_live(
    ctx: &Ctx,
    retry: &mut OptimisticRetry,
    user: &User,
    end: SessionEnd<'_>,
) -> StoreResult<Option<Vec<Session>>> {
    let mut live = live_sessions(ctx, user.id, end.sessions).await?;
    live.retain(|session| end.sessions.includes(session.id));
    if live.is_empty() {
        return Ok(Some(live));
    }
    let change = Change::new().require_user(user);
    let change = add_session_end(ctx, change, user, &live, end);
    Ok(retry.apply(ctx, change).await?.then_some(live))
}

async fn live_sessions(
    ctx: &Ctx,
    user: UserId,
    sessions: SessionSelector,
) -> StoreResult<Vec<Session>> {
    let SessionSelector::One(id) = sessions else {
        return ctx.store.live_sessions(user, ctx.now()).await;
    };
    let session = ctx.store.session(id).await?;
    let is_live = |session: &Session| session.user_id == user && session.is_live(ctx.now());
    Ok(session.filter(is_live).into_iter().collect())
}

/// Adds the end of sessions to a change, with an event and a job for each of the `live` ones.
pub(in crate::flows) fn add_session_end(
    ctx: &Ctx,
    change: Change,
    user: &User,
    live: &[Session],
    end: SessionEnd<'_>,
) -> Change {
    let SessionEnd { sessions, reason, by } = end;
    let change =
        change.end_sessions(EndSessions { user_id: user.id, sessions, at: ctx.now(), reason });
    // The provider ends the sessions of a deleted identity itself.
    let has_ended_at_provider = matches!(reason, EndReason::GoneAtProvider | EndReason::Removed);
    live.iter().fold(change, |change, session| {
        let detail = json!({ "session": session.id, "reason": reason.as_str() });
        let event = ctx.user_event(EventKind::SessionEnded, user, by);
        let change = change.event(Event { detail, ..event });
        if has_ended_at_provider {
            return change;
        }
        change.job(RevokeSession::job_for(ctx, &session.provider_session_id))
    })
}

/// Ends the session that a browser had before it logged in again.
pub async fn end_replaced_session(ctx: &Ctx, previous: &Session) -> StoreResult<()> {
    let mut retry = OptimisticRetry::default();
    loop {
        let change = replace_session(ctx, Change::new(), previous).await?;
        if retry.apply(ctx, change).await? {
            return Ok(());
        }
    }
}

/// Adds the end of the browser's previous session to a change. The session may be another user's,
/// so that planting one in a browser gains nothing.
pub(in crate::flows) async fn replace_session(
    ctx: &Ctx,
    change: Change,
    previous: &Session,
) -> StoreResult<Change> {
    let current = ctx.store.session(previous.id).await?;
    let user = ctx.store.user(previous.user_id).await?;
    let is_live = current.is_some_and(|session| session.is_live(ctx.now()));
    let (Some(user), true) = (user, is_live) else { return Ok(change) };
    let sessions = SessionSelector::One(previous.id);
    let end = SessionEnd { sessions, reason: EndReason::Replaced, by: &Actor::of(&user) };
    Ok(add_session_end(ctx, change, &user, std::slice::from_ref(previous), end))
}
