//! Stytch's API under `/v1`.
//!
//! Handlers must not await: once a request has been read, it is handled within one poll, so a
//! client that disconnects can't interrupt a change halfway.

mod invitations;
mod logins;
mod magic_links;
mod outbox;
mod search;
mod sessions;
pub(crate) mod users;

use std::{sync::Arc, time::Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{Extension, Router};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::faults::{ConnectionDropped, Outcome};
use crate::options::Credentials;
use crate::request::require_json;
use crate::response::{ApiError, HttpResult};
use crate::state::{Project, ids};
use crate::webhooks::Source;

pub(crate) fn router(project: Arc<Project>) -> Router {
    let private = |methods: MethodRouter<Arc<Project>>| {
        methods.route_layer(from_fn_with_state(Arc::clone(&project), authorize))
    };
    let user = get(users::get).put(users::update).delete(users::delete);
    Router::new()
        .route("/v1/magic_links/email/invite", private(post(invitations::invite)))
        .route("/v1/magic_links/email/revoke_invite", private(post(invitations::revoke_invite)))
        .route("/v1/magic_links/email/login_or_create", private(post(logins::login_or_create)))
        .route("/v1/magic_links/email/send", private(post(logins::send)))
        .route("/v1/magic_links/authenticate", private(post(magic_links::authenticate)))
        .route("/v1/magic_links/redirect", get(magic_links::redirect))
        .route("/v1/sessions", private(get(sessions::list)))
        .route("/v1/sessions/authenticate", private(post(sessions::authenticate)))
        .route("/v1/sessions/revoke", private(post(sessions::revoke)))
        // Open, because the libraries that verify JWTs send no credentials.
        .route("/v1/sessions/jwks/{project_id}", get(sessions::jwks))
        .route("/v1/users", private(post(users::create)))
        .route("/v1/users/search", private(post(search::search)))
        .route("/v1/users/{user_id}", private(user))
        .route(
            "/v1/users/{user_id}/exchange_primary_factor",
            private(put(users::exchange_primary_factor)),
        )
        .route("/v1/users/{user_id}/external_id", private(delete(users::delete_external_id)))
        .route("/v1/users/emails/{email_id}", private(delete(users::delete_email)))
        .route("/v1/debug/whoami", private(get(sessions::whoami)))
        .fallback(async || ApiError::route_not_found())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(Extension(Source::Direct))
        .layer(from_fn_with_state(Arc::clone(&project), inject_faults))
        .with_state(project)
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "The method is not allowed for the requested route.",
    )
}

/// Rejects requests without the project's credentials (HTTP Basic), and then those whose body is not
/// JSON.
async fn authorize(
    State(project): State<Arc<Project>>,
    request: Request,
    next: Next,
) -> HttpResult {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    check_credentials(header, &project.credentials)?;
    require_json(&request)?;
    Ok(next.run(request).await)
}

fn check_credentials(header: Option<&str>, expected: &Credentials) -> Result<(), ApiError> {
    let (project_id, secret) = header.and_then(parse_basic).ok_or_else(unauthorized)?;
    if project_id == expected.project_id && secret == expected.secret {
        return Ok(());
    }
    if project_id != expected.project_id && !ids::is_project_id(&project_id) {
        return Err(ApiError::bad_request(
            "invalid_project_id_authentication",
            "The project_id in the Authorization header is not of the form project-test-<uuid>.",
        ));
    }
    Err(unauthorized())
}

fn parse_basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (project_id, secret) = decoded.split_once(':')?;
    Some((project_id.to_owned(), secret.to_owned()))
}

fn unauthorized() -> ApiError {
    ApiError::unauthorized("unauthorized_credentials", "Unauthorized credentials.")
}

/// Applies the current fault to an API request and counts the outcome.
async fn inject_faults(
    State(project): State<Arc<Project>>,
    request: Request,
    next: Next,
) -> Response {
    project.stats.lock().record_request(Instant::now());
    let decision = project.fault.lock().decide(request.uri().path(), rand::random());
    let route = route_name(&request);
    // No await comes before the handler, and none between the handler and the statistics.
    let response = match decision.outcome {
        Outcome::Serve => Some(next.run(request).await),
        Outcome::Reject(error) => Some(error.into_response()),
        Outcome::Drop => None,
        Outcome::LoseAnswer => {
            next.run(request).await;
            None
        }
    };
    let status =
        response.as_ref().map_or("dropped".to_owned(), |r| r.status().as_u16().to_string());
    tracing::debug!(%route, %status, "request");
    project.stats.lock().record_response(route, status);
    let response = match (response, decision.body) {
        (None, _) => ConnectionDropped::response(),
        (Some(response), None) => response,
        (Some(response), Some(fault)) => fault.apply(response).await,
    };
    if !decision.delay.is_zero() {
        tokio::time::sleep(decision.delay).await;
    }
    response
}

/// Returns method and route template. A HEAD counts as the GET that answers it.
fn route_name(request: &Request) -> String {
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let template = request.extensions().get::<MatchedPath>();
    format!("{method} {}", template.map_or("/v1/(unknown)", MatchedPath::as_str))
}
