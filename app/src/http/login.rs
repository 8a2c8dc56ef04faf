//! Asking for a login link, and coming in by one, by HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use guestlist_domain::flows::{self, AcceptError, Browser, CameIn, LoginError, Press};
use guestlist_domain::{Email, InvitationId, ReturnTo, Session};
use guestlist_stytch::is_link_token;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::{Caller, Perhaps, guard_browser};
use super::body::{Body, Fields};
use super::limits::Client;
use super::openapi::shapes;
use super::origin::Ours;
use super::presses::{self, PressError};
use super::problem::{Code, Problem};
use super::state::App;
use super::view::{SessionView, UserView};
use super::world::World;

/// Who wants to come in, as it is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with an email")]
pub struct LoginRequest {
    #[schemars(with = "shapes::Email")]
    email: String,
    /// Left out, or null: they land where everybody does.
    #[schemars(with = "Option<shapes::ReturnTo>")]
    return_to: Option<String>,
}

/// A request for a link was heard.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = shapes::whole)]
pub struct Asked<'a> {
    /// The same whatever the address: nothing tells who is a guest.
    detail: &'a str,
}

/// Whether the login limits apply: to every caller without an API key.
#[derive(Debug)]
pub struct Limited(bool);

impl axum::extract::FromRequestParts<App> for Limited {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        app: &App,
    ) -> Result<Self, Problem> {
        guard_browser(parts, app)?;
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(Self(true));
        }
        let caller = identify_or_refuse_key(parts, app).await?;
        Ok(Self(!matches!(caller, Some(Caller::Program(_)))))
    }
}

/// The caller, if they show a live session or a valid API key. A key that is not valid is refused: a
/// backend whose key was revoked would otherwise be one anonymous client, and its users limited.
async fn identify_or_refuse_key(
    parts: &mut axum::http::request::Parts,
    app: &App,
) -> Result<Option<Caller>, Problem> {
    match super::auth::identify(parts, app).await {
        Ok(caller) => Ok(Some(caller)),
        Err(problem) if problem.code == Code::ApiKeyInvalid => Err(problem),
        Err(_) => Ok(None),
    }
}

/// `POST /v1/login`
pub async fn request_login(
    limited: Limited,
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Body(request): Body<LoginRequest>,
) -> Result<Response, Problem> {
    let mut fields = Fields::default();
    let email = fields.take("email", Email::parse(&request.email));
    let place = request.return_to;
    let return_to =
        place.and_then(|place| fields.take("return_to", app.site().parse_return_to(&place)));
    let Some(email) = email.filter(|_| fields.is_empty()) else {
        return Err(fields.into_problem());
    };
    if limited.0 {
        app.count_login(Client::of(app.site(), peer.ip(), &headers))?;
        flows::request_login(app.ctx(), &email, return_to).await?;
    } else {
        flows::request_login_unlimited(app.ctx(), &email, return_to).await?;
    }
    let detail = "If the address may come in, a mail with a link is on its way.";
    Ok((StatusCode::ACCEPTED, Json(Asked { detail })).into_response())
}

/// A link's token, as it is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with a token")]
pub struct SessionRequest {
    /// As the link carries it.
    token: String,
    /// As the link carries it, where links name their invitation.
    #[schemars(with = "Option<uuid::Uuid>")]
    invitation: Option<InvitationId>,
}

/// Who presses Continue.
#[derive(Debug)]
pub struct Presser {
    client: Client,
    user_agent: Option<String>,
    /// Whether they show neither a live session nor an API key.
    is_anonymous: bool,
}

impl axum::extract::FromRequestParts<App> for Presser {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        app: &App,
    ) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().copied();
        let Some(ConnectInfo(peer)) = peer else { return Err(Problem::internal()) };
        let is_anonymous = identify_or_refuse_key(parts, app).await?.is_none();
        let user_agent = parts.headers.get(header::USER_AGENT);
        let user_agent =
            user_agent.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let client = Client::of(app.site(), peer.ip(), &parts.headers);
        Ok(Self { client, user_agent, is_anonymous })
    }
}

/// `POST /v1/sessions`
pub async fn create_session(
    _: Ours,
    presser: Presser,
    State(app): State<App>,
    Body(request): Body<SessionRequest>,
) -> Result<Response, Problem> {
    let link = PressedLink { token: request.token, invitation: request.invitation };
    let came_in = come_in(&app, presser, link, None).await?;
    let CameIn { user, session, tokens, .. } = &came_in;
    let body = NewLogin {
        session: session.into(),
        user: user.into(),
        session_token: &tokens.session_token,
        session_jwt: &tokens.session_jwt,
        return_to: came_in.return_to.as_ref().map(ReturnTo::as_str),
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Who has just come in.
#[derive(Serialize, JsonSchema)]
#[schemars(transform = shapes::whole)]
pub struct NewLogin<'a> {
    session: SessionView<'a>,
    user: UserView<'a>,
    /// Proves the session until it ends. A secret.
    session_token: &'a str,
    /// Proves it for five minutes, without asking anybody. A secret.
    session_jwt: &'a str,
    /// Where they wanted to go.
    #[schemars(with = "Option<shapes::ReturnTo>")]
    return_to: Option<&'a str>,
}

/// Who is logged in.
#[derive(Serialize, JsonSchema)]
#[schemars(transform = shapes::whole)]
pub struct Login<'a> {
    session: SessionView<'a>,
    user: UserView<'a>,
    /// Proves the session for five minutes, without asking anybody; null where none was shown.
    session_jwt: Option<&'a str>,
}

/// What a link carries, when Continue is pressed.
#[derive(Debug)]
pub struct PressedLink {
    /// The token, as it was sent.
    pub token: String,
    /// The invitation that the link names.
    pub invitation: Option<InvitationId>,
}

/// Logs in the holder of a link; for the page and for programs alike.
pub async fn come_in(
    app: &App,
    Presser { client, user_agent, is_anonymous }: Presser,
    PressedLink { token, invitation }: PressedLink,
    replaces: Option<Session>,
) -> Result<CameIn, PressError> {
    if !is_link_token(&token) {
        return Err(AcceptError::LinkInvalid.into());
    }
    let ip = client.address;
    let browser = Browser { user_agent, ip: Some(ip.to_string()) };
    let press = Press { token, invitation, browser, replaces };
    presses::press(app, app.ctx().for_client(ip), press, is_anonymous.then_some(client)).await
}

/// `GET /v1/session`
pub async fn get_session(super::auth::Person(admitted): super::auth::Person) -> Response {
    let body = Login {
        session: (&admitted.session).into(),
        user: (&admitted.user).into(),
        session_jwt: admitted.jwt.as_deref(),
    };
    Json(body).into_response()
}

/// `DELETE /v1/session`
pub async fn delete_session(
    super::auth::Person(admitted): super::auth::Person,
    State(app): State<App>,
    World(ctx): World,
    axum::Extension(outgoing): axum::Extension<super::answer::Outgoing>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    leave(&app, &ctx, &admitted, &outgoing, &headers).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session here and at Stytch, and clears the browser's cookies.
pub async fn leave(
    app: &App,
    ctx: &guestlist_domain::Ctx,
    admitted: &flows::Admitted,
    outgoing: &super::answer::Outgoing,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    flows::log_out(ctx, &admitted.session, &admitted.user).await?;
    leave_cookies(app, outgoing, headers);
    Ok(())
}

/// Clears the cookies of a session that has ended.
pub fn leave_cookies(app: &App, outgoing: &super::answer::Outgoing, headers: &HeaderMap) {
    // A JWT made for this request must not follow the cookies out.
    outgoing.replace_cookies(super::cookies::clear(app.site()));
    outgoing.set_cookies(super::cookies::left(app.site(), headers));
}

/// The session that a browser holds already, if it does.
pub fn held(perhaps: Perhaps) -> Option<Session> {
    perhaps.0.map(|admitted| admitted.session)
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::TooOften(wait) => Self::too_many(Code::TooManyRequests, wait),
            LoginError::Store(error) => error.into(),
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        let (code, detail) = match error {
            AcceptError::LinkUsed(_) => {
                (Code::LinkUsed, "Each link works once. Ask for a new one.")
            }
            AcceptError::LinkExpired => {
                (Code::LinkExpired, "Its time ran out, or it was used before. Ask for a new one.")
            }
            AcceptError::LinkInvalid => (
                Code::LinkInvalid,
                "It was cut off on its way, or taken back since. Ask for a new one.",
            ),
            AcceptError::InvitationRevoked => (
                Code::InvitationRevoked,
                "Ask whoever invited you. A mail comes only if you are invited again.",
            ),
            AcceptError::AccountSuspended => (
                Code::AccountSuspended,
                "Ask an administrator. A mail comes only when the account is active again.",
            ),
            AcceptError::NotInvited => (
                Code::NotInvited,
                "Ask an administrator for an invitation. A mail comes only once you have one.",
            ),
            AcceptError::InProgress => {
                let detail = "The link is being checked already. Press Continue again in a moment.";
                let problem = Self::new(Code::Timeout, detail);
                return Self { retry_after: Some(Duration::from_secs(2)), ..problem };
            }
            AcceptError::Provider(error) => return error.into(),
            AcceptError::Store(error) => return error.into(),
        };
        Self::new(code, detail)
    }
}
