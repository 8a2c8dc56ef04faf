//! Authenticates a link at Stytch, where it works once.
//!
//! Of two presses at once, Stytch tells the second that the link was "used or expired", perhaps
//! before the first is recorded here. So each press claims the link in the store first, and those
//! that come second wait for what becomes of the first, in whichever process that is.

use std::time::Duration;

use jiff::Timestamp;

use super::RedeemError;
use crate::{
    AuthenticatedSession, Ctx, InvitationId, InvitationStatus, LinkClaim, ProviderError,
    ProviderErrorKind, StoreError, TokenHash,
};

/// How long a claim counts: longer than a call to Stytch and the recording of its result take. If the
/// process dies, the claim ends after this time.
const CLAIM_LENGTH: Duration = Duration::from_secs(30);

/// The right to authenticate a link.
#[derive(Debug, Clone, Copy)]
pub struct ClaimedLink {
    token: TokenHash,
    until: Timestamp,
    /// Whether an earlier press has claimed the link and not ended within the time of a claim: what
    /// became of it is not known.
    pub is_taken_over: bool,
}

/// Refuses a link that needs no asking at Stytch: one that was used here, or that names a revoked
/// invitation. Nothing is used up.
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

/// Claims a link for one press. [`RedeemError::InProgress`] while another press has it: then ask
/// again after a moment, [`check_link`] first.
pub async fn claim_link(ctx: &Ctx, token: TokenHash) -> Result<ClaimedLink, RedeemError> {
    let now = ctx.now();
    let until = now + CLAIM_LENGTH;
    match ctx.store.claim_link(token, now, until).await? {
        LinkClaim::Granted => Ok(ClaimedLink { token, until, is_taken_over: false }),
        LinkClaim::TakenOver => Ok(ClaimedLink { token, until, is_taken_over: true }),
        LinkClaim::Held => Err(RedeemError::InProgress),
    }
}

/// Authenticates a claimed link at Stytch, by which it is used up. The claim ends if Stytch
/// refuses; otherwise it lasts for 30 s.
pub async fn authenticate_link(
    ctx: &Ctx,
    token: &str,
    claimed: ClaimedLink,
) -> Result<AuthenticatedSession, RedeemError> {
    let minutes = ctx.policy.session_minutes;
    let error = match ctx.provider.authenticate_link(token, minutes).await {
        Ok(vouched) => return Ok(vouched),
        Err(error) => why_not(ctx, claimed.token, error).await,
    };
    // A claim that can't be released ends by itself; Stytch's answer is not to be hidden by that.
    let _ = release_link(ctx, claimed).await;
    Err(error?)
}

/// Ends a claim: the link may be claimed again.
pub async fn release_link(ctx: &Ctx, claimed: ClaimedLink) -> Result<(), StoreError> {
    ctx.store.release_link(claimed.token, claimed.until).await
}

async fn why_not(
    ctx: &Ctx,
    token: TokenHash,
    error: ProviderError,
) -> Result<RedeemError, StoreError> {
    if error.kind != ProviderErrorKind::Rejected {
        return Ok(RedeemError::Provider(error));
    }
    if error.code != "unable_to_auth_magic_link" {
        return Ok(RedeemError::LinkInvalid);
    }
    // Stytch reports used and expired with one code; the record of used links tells them apart.
    let used = ctx.store.used_link(token).await?;
    Ok(used.map_or(RedeemError::LinkExpired, |used| RedeemError::LinkUsed(used.user_id)))
}
