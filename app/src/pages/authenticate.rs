//! Where links lead: a page with a button. Opening it consumes nothing, since mail scanners open
//! every link; pressing the button does.

use std::net::SocketAddr;
use std::str::FromStr;

use askama::Template;
use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::{AcceptError, led_to, visit};
use guestlist_domain::{
    Actor, Invitation, InvitationId, InvitationStatus, ReturnTo, StoreError, TokenHash, UserId,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::page;
use crate::http::{
    App, Code, Form, Ours, Outgoing, Params, Perhaps, Problem, begin, come_in, held, shapes,
};

#[derive(Template)]
#[template(path = "continue.html")]
struct ContinuePage<'a> {
    app_name: &'a str,
    token: &'a str,
    invitation: Option<String>,
    invited_by: Option<&'a str>,
    for_email: Option<&'a str>,
    /// Somebody who is logged in in this browser, unless it is who the link is for.
    someone_else: Option<&'a str>,
}

/// What a link carries.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(transform = shapes::query)]
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
    Perhaps(session): Perhaps,
    link: Result<Params<Link>, Problem>,
) -> Result<Response, Problem> {
    // As where a parameter comes twice: no link of ours does that.
    let Ok(Params(link)) = link else { return Err(AcceptError::LinkInvalid.into()) };
    let Some(token) = link.token.as_deref().filter(|token| !token.is_empty()) else {
        return Err(AcceptError::LinkInvalid.into());
    };
    if link.stytch_token_type.is_some_and(|kind| kind != MAGIC_LINKS) {
        return Err(AcceptError::LinkInvalid.into());
    }
    let invitation = named(&app, &method, link.invitation.as_deref()).await?;
    if let Some(revoked) =
        invitation.as_ref().filter(|named| named.status == InvitationStatus::Revoked)
    {
        return Err(anew(AcceptError::InvitationRevoked.into(), revoked));
    }
    let for_email = invitation.as_ref().map(|named| named.email.as_str());
    let used = app.ctx().store.used_link(TokenHash::of(token)).await?.and_then(|used| used.user_id);
    let session = session.filter(|admitted| used != Some(admitted.user.id));
    let logged_in = session.as_ref().map(|admitted| admitted.user.email.as_str());
    let template = ContinuePage {
        app_name: &app.site().app_name,
        token,
        invitation: invitation.as_ref().map(|named| named.id.to_string()),
        invited_by: invitation.as_ref().and_then(|named| inviter(&named.invited_by)),
        for_email,
        someone_else: logged_in.filter(|email| Some(*email) != for_email),
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

/// A key has no name that the person would know.
fn inviter(actor: &Actor) -> Option<&str> {
    match actor {
        Actor::User { name, .. } => Some(name),
        Actor::Key { .. } | Actor::Cli | Actor::System => None,
    }
}

/// Offers a new link to whom the invitation is for, and to where it leads. One that was taken back
/// leads nowhere: another that comes after it has a place of its own.
fn anew(problem: Problem, invitation: &Invitation) -> Problem {
    let is_revoked = invitation.status == InvitationStatus::Revoked;
    let place = invitation.return_to.as_ref().filter(|_| !is_revoked);
    let return_to = place.map(|place| place.as_str().to_owned());
    Problem { email: Some(invitation.email.as_str().to_owned()), return_to, ..problem }
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
    _: Ours,
    State(app): State<App>,
    perhaps: Perhaps,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(outgoing): Extension<Outgoing>,
    headers: HeaderMap,
    form: Result<Form<ContinueForm>, Problem>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|problem| match problem.code {
        Code::InvalidRequest => AcceptError::LinkInvalid.into(),
        _ => problem,
    })?;
    let current = perhaps.0.as_ref().map(|admitted| admitted.user.clone());
    let link = TokenHash::of(&form.token);
    let replaces = held(perhaps);
    let invitation = form.invitation.as_deref().and_then(|id| InvitationId::from_str(id).ok());
    let error = match come_in(&app, peer, &headers, form.token, invitation, replaces).await {
        Ok(came_in) => {
            let now = app.ctx().now();
            let (user, session) = (&came_in.user, &came_in.session);
            let cookies = begin(app.site(), &user.email, session, &came_in.tokens, now);
            outgoing.replace_cookies(cookies);
            return Ok(see_other(&app.site().landing(came_in.return_to.as_ref())));
        }
        Err(error) => error,
    };
    match (&error, current) {
        // The same person pressed again, or came back to the page: they are in.
        (AcceptError::LinkUsed(Some(by)), Some(me)) if me.id == *by => {
            let place = led_to(app.ctx(), link, &me).await?;
            Ok(see_other(&app.site().landing(place.as_ref())))
        }
        _ => Err(refused(&app, link, invitation, error).await),
    }
}

/// A link that names its invitation can offer a new one to the right address; and either it or the
/// use that was made of the link says where it led. What can't be found out is left out.
async fn refused(
    app: &App,
    link: TokenHash,
    invitation: Option<InvitationId>,
    error: AcceptError,
) -> Problem {
    let used_by = if let AcceptError::LinkUsed(by) = error { by } else { None };
    let mut problem = Problem::from(error);
    if let Some(id) = invitation
        && let Ok(Some(invitation)) = app.ctx().store.invitation(id).await
    {
        problem = anew(problem, &invitation);
    }
    if let Some(by) = used_by
        && let Ok(place) = led_by(app, link, by).await
    {
        problem.return_to = place.map(|place| place.as_str().to_owned());
    }
    problem
}

async fn led_by(app: &App, link: TokenHash, by: UserId) -> Result<Option<ReturnTo>, StoreError> {
    let Some(user) = app.ctx().store.user(by).await? else { return Ok(None) };
    led_to(app.ctx(), link, &user).await
}

fn see_other(place: &str) -> Response {
    Redirect::to(place).into_response()
}
