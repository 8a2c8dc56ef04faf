//! Authenticates a link at the provider, which consumes it.
//!
//! When a link is submitted twice at once, the provider reports to the second request that it was used or
//! expired, possibly before the result of the first is recorded. So each request claims the link in the
//! store first, and others wait for its result, in any process.

use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use crate::{
    AuthenticatedSession, Ctx, InvitationId, InvitationStatus, LinkClaim, LoginRequest,
    ProviderError, ProviderErrorKind, ReturnTo, StoreError, StoreResult, TokenHash, User, UserId,
};

/// How long a claim is valid: longer than a provider call and the recording of its result take. The claim
/// of a process that stops ends after this time.
const CLAIM_LENGTH: Duration = Duration::from_secs(30);

#[derive(Debug, Error)]
pub enum RedeemError {
    /// The link was used: by this user, or for a login that was refused (`None`).
    #[error("the link was used")]
    LinkUsed(Option<UserId>),
    #[error("the link has expired")]
    LinkExpired,
    /// The provider does not know the link, or it names another user's invitation.
    #[error("the link is not valid")]
    LinkInvalid,
    #[error("the invitation was revoked")]
    InvitationRevoked,
    #[error("the account is suspended")]
    AccountSuspended,
    /// The address belongs to no user, or to one without an open invitation.
    #[error("not invited")]
    NotInvited,
    /// Another request, in this process or another, is authenticating the link.
    #[error("the link is being checked")]
    InProgress,
    /// The provider failed. The link may have been consumed.
    #[error("the provider failed: {0}")]
    Provider(ProviderError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Permission to authenticate a link.
#[derive(Debug, Clone, Copy)]
pub struct ClaimedLink {
    token: TokenHash,
    until: Timestamp,
    /// Whether an earlier claim expired without a result, so that the link may be used up.
    pub is_taken_over: bool,
}

/// Rejects a link that was used, or that names a revoked invitation, without calling the provider.
pub async fn check_link(
    ctx: &Ctx,
    token: TokenHash,
    invitation: Option<InvitationId>,
) -> Result<(), RedeemError> {
    if let Some(used) = ctx.store.used_link(token).await? {
        return Err(RedeemError::LinkUsed(used.user_id));
    }
    if let Some(id) = invitation
        && let Some(named) = ctx.store.invitation(id).await?
        && named.status == InvitationStatus::Revoked
    {
        return Err(RedeemError::InvitationRevoked);
    }
    Ok(())
}

/// Claims a link. Returns [`RedeemError::InProgress`] while another request has claimed it: call
/// [`check_link`] and then this again after a moment.
pub async fn claim_link(ctx: &Ctx, token: TokenHash) -> Result<ClaimedLink, RedeemError> {
    let now = ctx.now();
    let until = now + CLAIM_LENGTH;
    match ctx.store.claim_link(token, now, until).await? {
        LinkClaim::Granted => Ok(ClaimedLink { token, until, is_taken_over: false }),
        LinkClaim::TakenOver => Ok(ClaimedLink { token, until, is_taken_over: true }),
        LinkClaim::Held => Err(RedeemError::InProgress),
    }
}

/// Authenticates a claimed link at the provider, which consumes it. After an error the claim is released;
/// after success it remains until it expires.
pub async fn authenticate_link(
    ctx: &Ctx,
    token: &str,
    claimed: ClaimedLink,
) -> Result<AuthenticatedSession, RedeemError> {
    let minutes = ctx.policy.session_minutes;
    let error = match ctx.provider.authenticate_link(token, minutes).await {
        Ok(authenticated) => return Ok(authenticated),
        Err(error) => classify_error(ctx, claimed.token, error).await,
    };
    // A claim that cannot be released expires by itself. The provider's error is more important.
    let _ = release_link(ctx, claimed).await;
    Err(error?)
}

/// Releases a claim, so that the link can be claimed again.
pub async fn release_link(ctx: &Ctx, claimed: ClaimedLink) -> StoreResult<()> {
    ctx.store.release_link(claimed.token, claimed.until).await
}

async fn classify_error(
    ctx: &Ctx,
    token: TokenHash,
    error: ProviderError,
) -> StoreResult<RedeemError> {
    match error.kind {
        ProviderErrorKind::LinkUsedOrExpired => {
            // Only the record of used links tells the two apart.
            let used = ctx.store.used_link(token).await?;
            Ok(used.map_or(RedeemError::LinkExpired, |used| RedeemError::LinkUsed(used.user_id)))
        }
        kind if kind.is_rejection() => Ok(RedeemError::LinkInvalid),
        _ => Ok(RedeemError::Provider(error)),
    }
}

/// Returns the page that a used link opened for the user, as far as it is still known.
pub async fn used_link_return_to(
    ctx: &Ctx,
    token: TokenHash,
    user: &User,
) -> StoreResult<Option<ReturnTo>> {
    const RECENT: u64 = 20;
    let Some(link) = ctx.store.used_link(token).await? else { return Ok(None) };
    let requests = ctx.store.login_requests(&user.email, RECENT).await?;
    let request = requests.into_iter().find(|request| request.at <= link.at);
    let request = request.filter(|request| link_works(ctx, request, link.at));
    if let Some(return_to) = request.and_then(|request| request.return_to) {
        return Ok(Some(return_to));
    }
    // An invitation that was accepted before the link was used belongs to an earlier link.
    let latest = ctx.store.latest_invitation(user.id).await?;
    let accepted = latest.filter(|latest| latest.accepted_at.is_some_and(|at| at >= link.at));
    Ok(accepted.and_then(|invitation| invitation.return_to))
}

/// Returns whether the link of a login request works at a time.
pub(in crate::flows) fn link_works(ctx: &Ctx, request: &LoginRequest, at: Timestamp) -> bool {
    at < request.at + ctx.policy.login_link_lifetime()
}
