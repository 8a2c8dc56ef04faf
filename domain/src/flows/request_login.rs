//! Requests a login link.
//!
//! Neither the answer nor its duration depends on whether the address is known: the worker finds that out
//! when it sends the mail.

use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use crate::jobs::SendLoginLink;
use crate::{
    Change, Ctx, Email, LoginRequest, LoginRequestId, MAIL_INTERVAL, OptimisticRetry, Policy,
    ReturnTo, StoreError, StoreResult, is_credible,
};

/// The maximum time by which a login mail is delayed to keep mails to its address apart. Requests beyond
/// it share one mail, so that a burst of requests does not delay later ones for long.
const MAX_SPACING: Duration = Duration::from_secs(30);

#[derive(Debug, Error)]
pub enum RequestLoginError {
    /// The address has reached its limit, whether it is known or not. Another link may be requested
    /// after the given time.
    #[error("too many login requests")]
    RateLimited(Duration),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Requests a login link, within the address's limit.
pub async fn request_login(
    ctx: &Ctx,
    email: &Email,
    return_to: Option<ReturnTo>,
) -> Result<(), RequestLoginError> {
    let limit = ctx.policy.login_limit;
    let mut retry = OptimisticRetry::default();
    loop {
        let recent = ctx.store.login_requests(email, u64::from(limit.long_count())).await?;
        if let Some(wait) = wait(&ctx.policy, &recent, ctx.now()) {
            return Err(RequestLoginError::RateLimited(wait));
        }
        let (_, change) = login_request_change(ctx, email, return_to.clone(), recent.first());
        if retry.apply(ctx, change).await? {
            return Ok(());
        }
    }
}

/// Requests a login link without a limit, for callers with an API key and for the operator.
pub async fn request_login_unlimited(
    ctx: &Ctx,
    email: &Email,
    return_to: Option<ReturnTo>,
) -> StoreResult<LoginRequestId> {
    let mut retry = OptimisticRetry::default();
    loop {
        let recent = ctx.store.login_requests(email, 1).await?;
        let (id, change) = login_request_change(ctx, email, return_to.clone(), recent.first());
        if retry.apply(ctx, change).await? {
            return Ok(id);
        }
    }
}

/// Returns how long until the address may request another link; `None` if it may now.
///
/// Anyone can use up the limit of an address. This must not lock its owner out, so a request is refused
/// only while the link of the last one still works: after that, the address gets one link per lifetime of
/// a link. Only requests count, not their results, so that the answer reveals nothing about the user.
/// Requests dated in the far future, by a clock that was ahead, do not count.
fn wait(policy: &Policy, newest_first: &[LoginRequest], now: Timestamp) -> Option<Duration> {
    let limit = policy.login_limit;
    let counted: Vec<_> =
        newest_first.iter().filter(|request| is_credible(request.at, now)).collect();
    let windows = [(limit.count, limit.per), (limit.long_count(), limit.long_window())];
    let free_at = windows.map(|(count, per)| {
        let oldest = counted.get((count as usize).checked_sub(1)?)?;
        Some(oldest.at.min(now) + per)
    });
    let free_at = free_at.into_iter().flatten().max()?;
    let works_until = counted.first()?.at.min(now) + policy.login_link_lifetime();
    let until = free_at.min(works_until);
    (now < until).then(|| until.duration_since(now).unsigned_abs())
}

/// Returns when the mail of a request is due: one interval after the mail of the last request. Requests
/// that would wait longer than [`MAX_SPACING`] share the time of the last one. Of several due requests
/// the newest is answered.
fn spaced(last: Timestamp, now: Timestamp) -> Timestamp {
    let next = now.max(last + MAIL_INTERVAL);
    if next <= now + MAX_SPACING { next } else { last }
}

fn login_request_change(
    ctx: &Ctx,
    email: &Email,
    return_to: Option<ReturnTo>,
    last: Option<&LoginRequest>,
) -> (LoginRequestId, Change) {
    let now = ctx.now();
    let request = LoginRequest {
        id: LoginRequestId(ctx.ids.next()),
        email: email.clone(),
        ordinal: last.map_or(1, |last| last.ordinal + 1),
        return_to,
        at: now,
        send_at: last
            .filter(|last| is_credible(last.send_at, now))
            .map_or(now, |last| spaced(last.send_at, now)),
    };
    let id = request.id;
    let mut change = Change::new().job(SendLoginLink::job_for(ctx, &request));
    change.login_requests.push(request);
    (id, change)
}
