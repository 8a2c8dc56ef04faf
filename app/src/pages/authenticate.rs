//! Where links lead: a page with a button. Opening it consumes nothing, since mail scanners open
//! every link; pressing the button does.

use std::str::FromStr;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{AcceptError, led_to, visit};
use guestlist_domain::{
    Actor, Email, Invitation, InvitationId, InvitationStatus, TokenHash, UserId,
};
use guestlist_stytch::is_link_token;
use schemars::JsonSchema;
use serde::Deserialize;

use super::page;
use crate::extract::{Form, LoginForm, OptionalSession, Query, ResponseEffects, SameOrigin};
use crate::openapi::schemas;
use crate::problem::{Code, Problem};
use crate::sessions::cookies;
use crate::sessions::in_flight::RedemptionError;
use crate::sessions::redemption::{LinkHolder, PresentedLink, redeem_link};
use crate::state::App;

#[derive(Template)]
#[template(path = "continue.html")]
struct ContinuePage<'a> {
    app_name: &'a str,
    token: &'a str,
    /// Not whose it is: anybody can put a token of their own beside it.
    invitation: Option<String>,
    invited_by: Option<&'a str>,
    /// Somebody who is logged in in this browser, unless it is who the link is for.
    someone_else: Option<&'a str>,
}

/// What a link carries.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(transform = schemas::query_parameters)]
pub struct Link {
    /// Lets in whoever presses the page's button.
    token: Option<String>,
    /// The invitation that it is of, where links name theirs.
    invitation: Option<String>,
    /// What Stytch says that the token is: of a magic link, or nothing that we asked for.
    #[schemars(extend("enum" = [MAGIC_LINKS]))]
    stytch_token_type: Option<String>,
}

const MAGIC_LINKS: &str = "magic_links";

/// `GET /authenticate`
pub async fn show(
    method: Method,
    State(app): State<App>,
    OptionalSession(session): OptionalSession,
    link: Result<Query<Link>, Problem>,
) -> Result<Response, Problem> {
    // A repeated parameter makes the link invalid; Guestlist never sends one.
    let Ok(Query(link)) = link else { return Err(AcceptError::LinkInvalid.into()) };
    let Some(token) = link.token.as_deref().filter(|token| is_link_token(token)) else {
        return Err(AcceptError::LinkInvalid.into());
    };
    if link.stytch_token_type.is_some_and(|kind| kind != MAGIC_LINKS) {
        return Err(AcceptError::LinkInvalid.into());
    }
    let invitation = named(&app, &method, link.invitation.as_deref()).await?;
    if invitation.as_ref().is_some_and(|named| named.status == InvitationStatus::Revoked) {
        return Err(AcceptError::InvitationRevoked.into());
    }
    let used = app.ctx().store.used_link(TokenHash::of(token)).await?.and_then(|used| used.user_id);
    let invitee = invitation.as_ref().map(|named| named.user_id);
    let session = session.filter(|admitted| ![used, invitee].contains(&Some(admitted.user.id)));
    let logged_in = session.as_ref().map(|admitted| admitted.user.email.as_str());
    let template = ContinuePage {
        app_name: &app.site().app_name,
        token,
        invitation: invitation.as_ref().map(|named| named.id.to_string()),
        invited_by: invitation.as_ref().and_then(|named| inviter(&named.invited_by)),
        someone_else: logged_in,
    };
    let mut response = page(app.site(), StatusCode::OK, &template);
    let strict_origin = HeaderValue::from_static("strict-origin");
    response.headers_mut().insert(header::REFERRER_POLICY, strict_origin);
    Ok(response)
}

/// The invitation that the link names. That it was opened is noted; that a scanner asked for its
/// headers is not.
async fn named(
    app: &App,
    method: &Method,
    id: Option<&str>,
) -> Result<Option<Invitation>, Problem> {
    let Some(id) = id.and_then(|id| InvitationId::from_str(id).ok()) else { return Ok(None) };
    if *method == Method::GET {
        return Ok(visit(app.ctx(), id).await?);
    }
    Ok(app.ctx().store.invitation(id).await?)
}

/// The name of the administrator who invited. Not their address, which stands in for a missing
/// name: that the token belongs to the invitation is known only once Stytch has authenticated it.
fn inviter(actor: &Actor) -> Option<&str> {
    match actor {
        Actor::User { name, .. } => Some(name.as_str()).filter(|name| Email::parse(name).is_err()),
        Actor::Key { .. } | Actor::Cli | Actor::System => None,
    }
}

/// The button.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ContinueForm {
    /// As the link carries it.
    token: String,
    /// As the link carries it, where it does.
    invitation: Option<String>,
}

/// `POST /authenticate`
pub async fn press(
    _: SameOrigin,
    holder: LinkHolder,
    State(app): State<App>,
    perhaps: OptionalSession,
    Extension(outgoing): Extension<ResponseEffects>,
    form: Result<Form<ContinueForm>, Problem>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|problem| match problem.code {
        Code::InvalidRequest => AcceptError::LinkInvalid.into(),
        _ => problem,
    })?;
    let current = perhaps.0.as_ref().map(|admitted| admitted.user.clone());
    let link = TokenHash::of(&form.token);
    let replaces = perhaps.into_session();
    let invitation = form.invitation.as_deref().and_then(|id| InvitationId::from_str(id).ok());
    let carried = PresentedLink { token: form.token, invitation };
    let error = match redeem_link(&app, holder, carried, replaces).await {
        Ok(came_in) => {
            let now = app.ctx().now();
            let (user, session) = (&came_in.user, &came_in.session);
            let cookies = cookies::start(app.site(), &user.email, session, &came_in.tokens, now);
            outgoing.replace_cookies(cookies);
            return Ok(see_other(&app.site().landing(came_in.return_to.as_ref())));
        }
        Err(error) => error,
    };
    let RedemptionError::Refused(AcceptError::LinkUsed(Some(by))) = error else {
        return Err(error.into());
    };
    match current {
        // The same person pressed again, or came back to the page: they are in.
        Some(me) if me.id == by => {
            let place = led_to(app.ctx(), link, &me).await?;
            Ok(see_other(&app.site().landing(place.as_ref())))
        }
        _ => {
            outgoing.set_login_form(login_form(&app, (link, by), invitation).await);
            Err(error.into())
        }
    }
}

/// The page of a used link offers a new one that leads where the link led. It is filled in with
/// the holder's address where the link names the invitation of who was let in by it: only then is
/// the invitation sure to belong to the token. What can't be found out is left out.
async fn login_form(
    app: &App,
    (link, by): (TokenHash, UserId),
    invitation: Option<InvitationId>,
) -> LoginForm {
    let mut form = LoginForm::default();
    let store = &app.ctx().store;
    if let Some(id) = invitation
        && let Ok(Some(invitation)) = store.invitation(id).await
        && invitation.user_id == by
    {
        form.email = Some(invitation.email.as_str().to_owned());
    }
    if let Ok(Some(user)) = store.user(by).await
        && let Ok(place) = led_to(app.ctx(), link, &user).await
    {
        form.return_to = place.map(|place| place.as_str().to_owned());
    }
    form
}

fn see_other(place: &str) -> Response {
    Redirect::to(place).into_response()
}
