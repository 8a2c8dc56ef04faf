//! Redeems links: authenticates each link once at Stytch, and records the login even if the
//! database fails for a while.
//!
//! A redemption runs in its own task, so that a browser that disconnects can't leave a link half
//! used. Concurrent requests for the same link wait for it: those to this process by
//! [`InFlightRedemptions`], those to other processes by a claim in the store.
//!
//! [`InFlightRedemptions`]: super::in_flight::InFlightRedemptions

use std::net::SocketAddr;
use std::time::Duration;

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::Operation;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use guestlist_domain::flows::{
    self, Browser, ClaimedLink, LoggedIn, RedeemError, RedeemLink, authenticate_link, check_link,
    claim_link,
};
use guestlist_domain::{AuthenticatedSession, Ctx, InvitationId, Session, StoreError, TokenHash};
use guestlist_stytch::is_link_token;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::in_flight::{Leader, Participant, Redeemed, RedemptionError};
use crate::extract::authenticate_optional;
use crate::openapi::operation::add_problems;
use crate::problem::{Code, Problem};
use crate::state::App;
use crate::state::rate_limit::Client;

/// How long to wait for another process to redeem the same link: longer than a call to Stytch may
/// take, and short enough that the request does not time out.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(12);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long the caller waits for the database before being asked to try again.
const CALLER_TIMEOUT: Duration = Duration::from_secs(4);
/// How long recording an authenticated link is retried.
const RECORDING_TIMEOUT: Duration = Duration::from_mins(5);
const RECORDING_INTERVAL: Duration = Duration::from_millis(500);
/// How long to wait for the result of a process that crashed or lost the database during a
/// redemption, before the link counts as expired.
const LATE_RESULT_TIMEOUT: Duration = Duration::from_secs(3);

/// The caller that redeems a link.
#[derive(Debug)]
pub struct LinkHolder {
    client: Client,
    user_agent: Option<String>,
    /// Whether the request has neither a live session nor an API key.
    is_anonymous: bool,
}

impl FromRequestParts<App> for LinkHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().copied();
        let Some(ConnectInfo(peer)) = peer else { return Err(Problem::internal()) };
        let is_anonymous = authenticate_optional(parts, app).await?.is_none();
        let user_agent = parts.headers.get(header::USER_AGENT);
        let user_agent =
            user_agent.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let client = Client::from_request(&app.site, peer.ip(), &parts.headers);
        Ok(Self { client, user_agent, is_anonymous })
    }
}

#[derive(Debug)]
pub struct PresentedLink {
    /// The token, not validated yet.
    pub token: String,
    /// The invitation that the link names.
    pub invitation: Option<InvitationId>,
}

/// Redeems a link for a page or an API client. `replaces` is the browser's current session, which
/// ends on success. Anonymous callers are held to the budget of calls to Stytch.
pub async fn redeem_link(
    app: &App,
    holder: LinkHolder,
    PresentedLink { token, invitation }: PresentedLink,
    replaces: Option<Session>,
) -> Redeemed {
    if !is_link_token(&token) {
        return Err(RedeemError::LinkInvalid.into());
    }
    let LinkHolder { client, user_agent, is_anonymous } = holder;
    let ctx = app.ctx.for_client(client.address);
    let browser = Browser { user_agent, ip: Some(client.address.to_string()) };
    let token_hash = TokenHash::of(&token);
    let link = RedeemLink { token_hash, token, invitation, browser, previous_session: replaces };
    loop {
        match app.redemptions.join(token_hash) {
            Participant::Leader(leader) => {
                let anonymous = is_anonymous.then_some(client);
                return lead(app.clone(), ctx, link, anonymous, leader).await;
            }
            Participant::Follower(follower) => {
                if let Some(result) = follower.wait(CALLER_TIMEOUT).await {
                    end_replaced(&ctx, link.previous_session.as_ref(), &result).await?;
                    return result;
                }
            }
        }
    }
}

/// Ends the browser's current session if it is given that of a late result instead.
async fn end_replaced(
    ctx: &Ctx,
    current: Option<&Session>,
    result: &Redeemed,
) -> Result<(), StoreError> {
    match (current, result) {
        (Some(old), Ok(new)) if old.id != new.session.id => {
            flows::end_replaced_session(ctx, old).await
        }
        _ => Ok(()),
    }
}

/// Redeems a link in its own task. Returns `NotRecorded` if recording takes more than 4 s.
async fn lead(
    app: App,
    ctx: Ctx,
    link: RedeemLink,
    anonymous: Option<Client>,
    leader: Leader,
) -> Redeemed {
    let (sender, receiver) = oneshot::channel();
    let task = tokio::spawn(async move {
        let authenticated = match authenticate(&app, &ctx, &link, anonymous).await {
            Ok(authenticated) => authenticated,
            Err(error) => {
                drop(leader);
                return drop(sender.send(Err(error)));
            }
        };
        let mut recording = Box::pin(record(&ctx, &link, &authenticated));
        if let Ok(result) = timeout(CALLER_TIMEOUT, &mut recording).await {
            // If the caller has disconnected, the next request gets the login.
            if let Err(undelivered @ Ok(_)) = sender.send(result) {
                leader.keep(undelivered).await;
            }
            return;
        }
        leader.set_retrying();
        drop(sender.send(Err(RedemptionError::NotRecorded)));
        let result = recording.await;
        leader.keep(result).await;
    });
    match receiver.await {
        Ok(result) => result,
        // The task sends a result unless it panics.
        Err(_) => match task.await {
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Ok(()) | Err(_) => Err(RedemptionError::NotRecorded),
        },
    }
}

/// Authenticates the link at Stytch, once no other process is redeeming it.
async fn authenticate(
    app: &App,
    ctx: &Ctx,
    link: &RedeemLink,
    anonymous: Option<Client>,
) -> Result<AuthenticatedSession, RedemptionError> {
    let token = link.token_hash;
    check_link(ctx, token, link.invitation).await?;
    if let Some(client) = anonymous {
        app.provider_budget.admit(client).await.map_err(RedemptionError::TooMany)?;
    }
    let claimed = claim(ctx, link, token).await?;
    match authenticate_link(ctx, &link.token, claimed).await {
        Err(RedeemError::LinkExpired) if claimed.is_taken_over => {
            Err(late_result(ctx, token).await?)
        }
        result => Ok(result?),
    }
}

/// Claims the link, waiting for a claim of another process to end.
async fn claim(ctx: &Ctx, link: &RedeemLink, token: TokenHash) -> Result<ClaimedLink, RedeemError> {
    let until = Instant::now() + CLAIM_TIMEOUT;
    loop {
        match claim_link(ctx, token).await {
            Err(RedeemError::InProgress) if Instant::now() < until => sleep(POLL_INTERVAL).await,
            claimed => return claimed,
        }
        check_link(ctx, token, link.invitation).await?;
    }
}

/// Waits for another process to record a link that Stytch reports as used or expired.
async fn late_result(ctx: &Ctx, token: TokenHash) -> Result<RedemptionError, RedeemError> {
    let until = Instant::now() + LATE_RESULT_TIMEOUT;
    while Instant::now() < until {
        check_link(ctx, token, None).await?;
        sleep(POLL_INTERVAL).await;
    }
    Ok(RedeemError::LinkExpired.into())
}

/// Records the login of an authenticated link; retried while the database fails.
async fn record(ctx: &Ctx, link: &RedeemLink, authenticated: &AuthenticatedSession) -> Redeemed {
    let until = Instant::now() + RECORDING_TIMEOUT;
    let mut result: Result<LoggedIn, RedeemError> =
        flows::redeem_link(ctx, link, authenticated).await;
    let mut is_first = true;
    while let Err(RedeemError::Store(error)) = &result
        && error.is_transient()
        && Instant::now() < until
    {
        if std::mem::take(&mut is_first) {
            tracing::warn!(%error, "a login could not be recorded; retrying");
        }
        sleep(RECORDING_INTERVAL).await;
        // An attempt whose response was lost may have recorded it.
        result = match flows::find_redemption(ctx, link, authenticated).await {
            Ok(Some(recorded)) => Ok(recorded),
            Ok(None) => flows::redeem_link(ctx, link, authenticated).await,
            Err(error) => Err(error.into()),
        };
    }
    if let Err(RedeemError::Store(error)) = &result {
        tracing::error!(%error, "a login could not be recorded; its link is used up");
        // A session that is not recorded must not stay valid at Stytch.
        if let Err(error) =
            ctx.provider.revoke_session(&authenticated.session.provider_session_id).await
        {
            tracing::error!(code = %error.code, "the session could not be revoked at Stytch");
        }
    }
    Ok(result?)
}

impl OperationInput for LinkHolder {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        add_problems(operation, &[Code::ApiKeyInvalid, Code::TooManyRequests]);
    }
}
