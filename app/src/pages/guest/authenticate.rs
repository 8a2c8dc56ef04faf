//! The page that links in emails lead to.
//!
//! Opening the page consumes nothing, since mail scanners open every link. The link is redeemed
//! when its Continue button is pressed.

use std::str::FromStr;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{RedeemError, record_visit, used_link_return_to};
use guestlist_domain::{
    Actor, Email, Invitation, InvitationId, InvitationStatus, TokenHash, UserId,
};
use guestlist_stytch::is_link_token;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::extract::{
    FailedLink, Form, LinkFormValues, LoginFormValues, OptionalSession, Query, ResponseEffects,
    SameOrigin,
};
use crate::openapi::schemas;
use crate::pages::components::{Moment, brand, icon};
use crate::pages::layout::render;
use crate::problem::{Code, Problem};
use crate::sessions::cookies;
use crate::sessions::in_flight::RedemptionError;
use crate::sessions::redemption::{LinkHolder, PresentedLink, redeem_link};
use crate::state::App;

#[derive(Template)]
#[template(path = "guest/continue.html")]
struct ContinuePage<'a> {
    app_name: &'a str,
    token: &'a str,
    /// Id from the link. It may not belong to the token, so the page shows nothing personal of it.
    invitation: Option<String>,
    /// Name of the user who sent the invitation.
    invited_by: Option<&'a str>,
    /// Expiry of the invitation, if it is open.
    works_until: Option<Moment>,
    /// Address of the logged-in user, unless the link is for them.
    other_user: Option<&'a str>,
}

/// Query of a link.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(transform = schemas::query_parameters)]
pub struct Link {
    /// Token that logs its holder in.
    token: Option<String>,
    /// Id of the invitation, if links carry it.
    invitation: Option<String>,
    /// Type of the token, set by Stytch.
    #[schemars(extend("enum" = [MAGIC_LINKS]))]
    stytch_token_type: Option<String>,
}

const MAGIC_LINKS: &str = "magic_links";

/// Handles `GET /authenticate`.
pub async fn show(
    method: Method,
    State(app): State<App>,
    OptionalSession(session): OptionalSession,
    link: Result<Query<Link>, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Guestlist never sends a link with a repeated parameter.
    let Ok(Query(link)) = link else { return Err(RedeemError::LinkInvalid.into()) };
    let Some(token) = link.token.as_deref().filter(|token| is_link_token(token)) else {
        return Err(RedeemError::LinkInvalid.into());
    };
    if link.stytch_token_type.is_some_and(|kind| kind != MAGIC_LINKS) {
        return Err(RedeemError::LinkInvalid.into());
    }
    let invitation = find_invitation(&app, (&method, &headers), link.invitation.as_deref()).await?;
    if invitation.as_ref().is_some_and(|found| found.status == InvitationStatus::Revoked) {
        return Err(RedeemError::InvitationRevoked.into());
    }
    let used = app.ctx.store.used_link(TokenHash::of(token)).await?;
    let holders = [used.and_then(|used| used.user_id), invitation.as_ref().map(|i| i.user_id)];
    let other = session.filter(|verified| !holders.contains(&Some(verified.user.id)));
    let open = invitation.as_ref().filter(|found| found.can_be_accepted(app.ctx.now()));
    let template = ContinuePage {
        app_name: &app.site.app_name,
        token,
        invitation: invitation.as_ref().map(|found| found.id.to_string()),
        invited_by: invitation.as_ref().and_then(|found| inviter_name(&found.invited_by)),
        works_until: open.map(|open| Moment(open.expires_at)),
        other_user: other.as_ref().map(|verified| verified.user.email.as_str()),
    };
    let mut response = render(&app.site, StatusCode::OK, &template);
    let strict_origin = HeaderValue::from_static("strict-origin");
    response.headers_mut().insert(header::REFERRER_POLICY, strict_origin);
    Ok(response)
}

/// Loads the invitation that the link names. A GET is recorded as a visit; a HEAD is not.
async fn find_invitation(
    app: &App,
    (method, headers): (&Method, &HeaderMap),
    id: Option<&str>,
) -> Result<Option<Invitation>, Problem> {
    let Some(id) = id.and_then(|id| InvitationId::from_str(id).ok()) else { return Ok(None) };
    if *method == Method::GET {
        let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        return Ok(record_visit(&app.ctx, id, user_agent).await?);
    }
    Ok(app.ctx.store.invitation(id).await?)
}

/// Returns the name of the inviting user. An address, which stands in for a missing name, is not
/// shown: whether the token belongs to the invitation is known only after authentication.
fn inviter_name(actor: &Actor) -> Option<&str> {
    match actor {
        Actor::User { name, .. } => Some(name.as_str()).filter(|name| Email::parse(name).is_err()),
        Actor::Key { .. } | Actor::Cli | Actor::System => None,
    }
}

/// Form of the Continue button.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ContinueForm {
    /// Token from the link.
    token: String,
    /// Id of the invitation from the link, if it carries one.
    invitation: Option<String>,
}

/// Handles `POST /authenticate`.
pub async fn redeem(
    _: SameOrigin,
    caller: LinkHolder,
    State(app): State<App>,
    session: OptionalSession,
    Extension(outgoing): Extension<ResponseEffects>,
    form: Result<Form<ContinueForm>, Problem>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|problem| match problem.code {
        Code::InvalidRequest => RedeemError::LinkInvalid.into(),
        _ => problem,
    })?;
    let current_user = session.0.as_ref().map(|verified| verified.user.clone());
    let token_hash = TokenHash::of(&form.token);
    let replaces = session.into_session();
    let invitation = form.invitation.as_deref().and_then(|id| InvitationId::from_str(id).ok());
    let link_form = LinkFormValues { token: form.token.clone(), invitation };
    let link = PresentedLink { token: form.token, invitation };
    let error = match redeem_link(&app, caller, link, replaces).await {
        Ok(login) => {
            let now = app.ctx.now();
            let (user, session) = (&login.user, &login.session);
            let cookies = cookies::start(&app.site, &user.email, session, &login.tokens, now);
            outgoing.replace_cookies(cookies);
            return Ok(
                Redirect::to(&app.site.landing_url(login.return_to.as_ref())).into_response()
            );
        }
        Err(error) => error,
    };
    if let RedemptionError::Refused(RedeemError::LinkExpired) = error {
        report_expiry(&app, &outgoing, invitation).await;
    }
    let RedemptionError::Refused(RedeemError::LinkUsed(Some(holder))) = error else {
        let problem = Problem::from(error);
        if problem.retry_after.is_some() {
            outgoing.set_link_form(link_form);
        }
        return Err(problem);
    };
    match current_user {
        // The user pressed the button twice, or went back to the page.
        Some(user) if user.id == holder => {
            let return_to = used_link_return_to(&app.ctx, token_hash, &user).await?;
            Ok(Redirect::to(&app.site.landing_url(return_to.as_ref())).into_response())
        }
        _ => {
            let form = login_form(&app, (token_hash, holder), invitation).await;
            if let Ok(Some(used)) = app.ctx.store.used_link(token_hash).await {
                outgoing.set_failed_link(FailedLink::Used { at: used.at, by: form.email.clone() });
            }
            outgoing.set_login_form(form);
            Err(error.into())
        }
    }
}

/// Lets the page of an expired link say when it expired, if the invitation that it names has expired.
async fn report_expiry(app: &App, outgoing: &ResponseEffects, invitation: Option<InvitationId>) {
    let Some(id) = invitation else { return };
    if let Ok(Some(invitation)) = app.ctx.store.invitation(id).await
        && invitation.expires_at <= app.ctx.now()
    {
        outgoing.set_failed_link(FailedLink::Expired { at: invitation.expires_at });
    }
}

/// Returns the values of the form for a new link on the page of a used link: the used link's
/// `return_to` and the holder's address.
///
/// The address is set only if the invitation's user is the one who redeemed the token; otherwise
/// the invitation may not belong to it. Fields that can't be loaded are left empty.
async fn login_form(
    app: &App,
    (token_hash, holder): (TokenHash, UserId),
    invitation: Option<InvitationId>,
) -> LoginFormValues {
    let mut form = LoginFormValues::default();
    let store = &app.ctx.store;
    if let Some(id) = invitation
        && let Ok(Some(invitation)) = store.invitation(id).await
        && invitation.user_id == holder
    {
        form.email = Some(invitation.email.as_str().to_owned());
    }
    if let Ok(Some(user)) = store.user(holder).await
        && let Ok(return_to) = used_link_return_to(&app.ctx, token_hash, &user).await
    {
        form.return_to = return_to.map(|url| url.as_str().to_owned());
    }
    form
}
