//! Who looks at a page, and who may.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::flows::Admitted;
use guestlist_domain::{Actor, Role};
use url::form_urlencoded;

use crate::extract::{LoginForm, RequireSession, ResponseEffects, SameOrigin, has_session_cookies};
use crate::problem::{Code, Problem};
use crate::state::App;

/// Somebody with a session who has a page shown. Who has none is led to the login page, and back
/// here from there.
#[derive(Debug)]
pub struct Viewer(pub Admitted);

impl FromRequestParts<App> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match RequireSession::from_request_parts(parts, app).await {
            Ok(RequireSession(admitted)) => Ok(Self(admitted)),
            Err(problem) if problem.status().is_server_error() => Err(problem.into_response()),
            Err(problem) => {
                let place = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                let place: String = form_urlencoded::byte_serialize(place.as_bytes()).collect();
                let ended = match problem.code {
                    Code::SessionExpired => "&ended=expired",
                    _ if has_session_cookies(&parts.headers, app.site()) => "&ended=revoked",
                    _ => "",
                };
                let login = format!("/login?return_to={place}{ended}");
                Err(Redirect::to(&login).into_response())
            }
        }
    }
}

/// An administrator who has a page shown.
#[derive(Debug)]
pub struct AdminViewer(pub Admitted);

impl FromRequestParts<App> for AdminViewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Viewer(admitted) = Viewer::from_request_parts(parts, app).await?;
        if admitted.user.role == Role::Admin {
            return Ok(Self(admitted));
        }
        let detail = "Only administrators may see that.";
        Err(Problem::new(Code::Forbidden, detail).into_response())
    }
}

/// Somebody who sends a form of a page of ours.
#[derive(Debug)]
pub struct Member(pub Admitted);

impl Member {
    /// As events name them.
    pub fn actor(&self) -> Actor {
        Actor::of(&self.0.user)
    }
}

impl FromRequestParts<App> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let session = RequireSession::from_request_parts(parts, app).await;
        if let (Err(_), Some(effects)) = (&session, parts.extensions.get::<ResponseEffects>()) {
            let return_to = Some(page_of(parts.uri.path()));
            effects.set_login_form(LoginForm { email: None, return_to });
        }
        let RequireSession(admitted) = session?;
        SameOrigin::from_request_parts(parts, app).await?;
        Ok(Self(admitted))
    }
}

/// The page that a form stands on: its own address takes nothing but the form.
fn page_of(form: &str) -> String {
    let parts: Vec<_> = form.split('/').skip(1).collect();
    match parts[..] {
        ["sessions", ..] => "/sessions".to_owned(),
        ["users", id, _, ..] => format!("/users/{id}"),
        _ => "/".to_owned(),
    }
}

/// An administrator who sends a form of a page of ours.
#[derive(Debug)]
pub struct Admin(pub Admitted);

impl Admin {
    /// As events name them.
    pub fn actor(&self) -> Actor {
        Actor::of(&self.0.user)
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Member(admitted) = Member::from_request_parts(parts, app).await?;
        if admitted.user.role == Role::Admin {
            return Ok(Self(admitted));
        }
        Err(Problem::new(Code::Forbidden, "Only administrators may do that."))
    }
}
