//! Extractors that authenticate the requests for pages and of their forms.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::VerifiedSession;
use guestlist_domain::{Actor, Ctx, ManageableRoles, Role, Scope};
use url::form_urlencoded;

use crate::extract::{
    Caller, LoginFormValues, RequestContext, RequireSession, ResponseEffects, SameOrigin,
    authenticate, has_session_cookies,
};
use crate::problem::{Code, Problem};
use crate::state::App;

/// A logged-in user who opens a page. Without a session, the browser is redirected to the login
/// page, and back after login.
#[derive(Debug)]
pub struct PageSession(pub VerifiedSession);

impl FromRequestParts<App> for PageSession {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match RequireSession::from_request_parts(parts, app).await {
            Ok(RequireSession(verified)) => Ok(Self(verified)),
            Err(problem) if problem.status().is_server_error() => Err(problem.into_response()),
            Err(problem) => {
                let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                Err(redirect_to_login(app, path, problem.code, &parts.headers))
            }
        }
    }
}

/// Redirects to the login page, which says whether the session has expired or was ended: a browser
/// that still sends a session cookie had a session.
fn redirect_to_login(app: &App, return_to: &str, code: Code, headers: &HeaderMap) -> Response {
    let return_to: String = form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
    let ended = match code {
        Code::SessionExpired => "&ended=expired",
        _ if has_session_cookies(headers, &app.site) => "&ended=revoked",
        _ => "",
    };
    Redirect::to(&format!("/login?return_to={return_to}{ended}")).into_response()
}

/// An administrator who opens a page.
#[derive(Debug)]
pub struct PageAdmin(pub VerifiedSession);

impl FromRequestParts<App> for PageAdmin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let PageSession(verified) = PageSession::from_request_parts(parts, app).await?;
        require_admin(verified).map(Self).map_err(IntoResponse::into_response)
    }
}

/// A logged-in user who submits a form of a page.
#[derive(Debug)]
pub struct FormSession(pub VerifiedSession);

impl FromRequestParts<App> for FormSession {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let session = RequireSession::from_request_parts(parts, app).await;
        if let (Err(_), Some(effects)) = (&session, parts.extensions.get::<ResponseEffects>()) {
            let return_to = Some(page_of_form(parts.uri.path()));
            effects.set_login_form(LoginFormValues { email: None, return_to });
        }
        let RequireSession(verified) = session?;
        SameOrigin::from_request_parts(parts, app).await?;
        Ok(Self(verified))
    }
}

/// Returns the path of the page that a form belongs to. The form's own path accepts only POST.
fn page_of_form(path: &str) -> String {
    let segments: Vec<_> = path.split('/').skip(1).collect();
    match segments[..] {
        ["sessions", ..] => "/sessions".to_owned(),
        ["users", id, _, ..] => format!("/users/{id}"),
        ["invitations"] => "/invitations".to_owned(),
        ["invitations", "many"] => "/invitations/new".to_owned(),
        ["invitations", id, ..] => format!("/invitations/{id}"),
        ["ops", "jobs", ..] => "/ops/jobs".to_owned(),
        ["ops", ..] => "/ops".to_owned(),
        _ => "/".to_owned(),
    }
}

/// An administrator who submits a form of a page, with the actor, the application and the context
/// for flows.
#[derive(Debug)]
pub struct FormAdmin {
    pub viewer: VerifiedSession,
    pub actor: Actor,
    pub app: App,
    /// The context that records the client.
    pub ctx: Ctx,
}

impl FromRequestParts<App> for FormAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let FormSession(verified) = FormSession::from_request_parts(parts, app).await?;
        let viewer = require_admin(verified)?;
        let RequestContext(ctx) = RequestContext::from_request_parts(parts, app).await?;
        Ok(Self { actor: Actor::of(&viewer.user), viewer, app: app.clone(), ctx })
    }
}

/// Asks a browser for an API key.
pub const KEY_PATH: &str = "/ops/key";
/// The overview of operations. Browsers send an API key to URLs below `/ops/` only, so links for
/// callers with a key lead to [`OPERATIONS_WITH_KEY`].
pub const OPERATIONS: &str = "/ops";
/// The same page as [`OPERATIONS`].
pub const OPERATIONS_WITH_KEY: &str = "/ops/";

/// An operator who opens a page: an administrator or operator with a session, or an API key with
/// `ops:read`. Without credentials, the browser is redirected to the login page.
#[derive(Debug)]
pub struct PageOperator {
    pub caller: Caller,
    pub app: App,
}

impl PageOperator {
    pub fn manageable_roles(&self) -> ManageableRoles {
        self.caller.manageable_roles()
    }

    /// Returns whether the operator may change anything.
    pub fn can_act(&self) -> bool {
        self.caller.require_scope(Scope::OpsWrite).is_ok()
    }

    /// Returns whether the operator may open the pages of users and invitations.
    pub fn is_admin(&self) -> bool {
        matches!(&self.caller, Caller::User(verified) if verified.user.role == Role::Admin)
    }

    /// Returns the URL of the overview.
    pub fn overview_url(&self) -> &'static str {
        overview_url(&self.caller)
    }
}

fn overview_url(caller: &Caller) -> &'static str {
    match caller {
        Caller::User(_) => OPERATIONS,
        Caller::ApiKey(_) => OPERATIONS_WITH_KEY,
    }
}

impl FromRequestParts<App> for PageOperator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match authenticate(parts, app).await {
            Ok(caller) => {
                caller.require_scope(Scope::OpsRead).map_err(IntoResponse::into_response)?;
                Ok(Self { caller, app: app.clone() })
            }
            Err(problem) if problem.status().is_server_error() => Err(problem.into_response()),
            // The browser keeps sending a revoked key until it is asked for another. A script is not
            // answered by a question, which would come back with each of its requests.
            Err(problem) if problem.code == Code::ApiKeyInvalid && !is_script(&parts.headers) => {
                Err(Redirect::to(KEY_PATH).into_response())
            }
            Err(problem) if problem.code == Code::ApiKeyInvalid => Err(problem.into_response()),
            Err(problem) => {
                let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                Err(redirect_to_login(app, path, problem.code, &parts.headers))
            }
        }
    }
}

/// Returns whether a script of a page sent the request, and not the browser's navigation.
fn is_script(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode != "navigate")
}

/// An operator who submits a form of a page: an administrator or operator with a session, or an API
/// key with `ops:write`.
#[derive(Debug)]
pub struct FormOperator {
    pub page: PageOperator,
    /// The context that records the client.
    pub ctx: Ctx,
}

impl FormOperator {
    pub fn actor(&self) -> Actor {
        self.page.caller.actor()
    }
}

impl FromRequestParts<App> for FormOperator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await;
        if let (Err(_), Some(effects)) = (&caller, parts.extensions.get::<ResponseEffects>()) {
            let return_to = Some(page_of_form(parts.uri.path()));
            effects.set_login_form(LoginFormValues { email: None, return_to });
        }
        let caller = caller?;
        caller.require_scope(Scope::OpsWrite)?;
        SameOrigin::from_request_parts(parts, app).await?;
        let RequestContext(ctx) = RequestContext::from_request_parts(parts, app).await?;
        Ok(Self { page: PageOperator { caller, app: app.clone() }, ctx })
    }
}

fn require_admin(verified: VerifiedSession) -> Result<VerifiedSession, Problem> {
    if verified.user.role == Role::Admin {
        return Ok(verified);
    }
    Err(Problem::new(Code::Forbidden, "Only administrators can do this."))
}
