//! Every route there is.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::TimeoutLayer;

use super::body::BODY_LIMIT;
use super::problem::Problem;
use super::state::App;
use super::{answer, audit, health, idempotency, invitations, login, ops, sessions, users};
use crate::pages;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The application's routes.
pub fn router(app: App) -> Router {
    Router::new()
        .nest("/v1", api(&app))
        .merge(pages::routes())
        .route("/healthz", get(health::is_live))
        .route("/readyz", get(health::is_ready))
        .route("/metrics", get(ops::metrics))
        .fallback(async || Problem::not_found("address"))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(app.clone(), answer::answer))
        .with_state(app)
}

fn api(app: &App) -> Router<App> {
    let with_keys = Router::new()
        .route(
            "/invitations",
            post(invitations::create_invitation).get(invitations::list_invitations),
        )
        .route("/invitations/{id}", get(invitations::get_invitation))
        .route("/invitations/{id}/events", get(invitations::list_invitation_events))
        .route("/invitations/{id}/resend", post(invitations::resend_invitation))
        .route("/invitations/{id}/revoke", post(invitations::revoke_invitation))
        .route("/users", post(users::add_user).get(users::list_users))
        .route(
            "/users/{id}",
            get(users::get_user).patch(users::change_user).delete(users::delete_user),
        )
        .route(
            "/users/{id}/sessions",
            get(sessions::list_user_sessions).delete(sessions::end_user_sessions),
        )
        .route("/sessions/revoke-others", post(sessions::end_other_sessions))
        .route("/audit", get(audit::list_audit))
        .merge(ops::routes())
        .route_layer(middleware::from_fn_with_state(app.clone(), idempotency::replay));
    let public = Router::new()
        .route("/login", post(login::request_login))
        .route("/sessions", post(login::create_session).get(sessions::list_sessions))
        .route("/sessions/{id}", delete(sessions::end_session))
        .route("/session", get(login::get_session).delete(login::delete_session));
    with_keys.merge(public).layer(cors(app))
}

/// The application's own pages may call, with the browser's cookies, and read the answer.
fn cors(app: &App) -> CorsLayer {
    let origins = app.site().app_origins.iter();
    let origins = origins.filter_map(|origin| origin.ascii_serialization().parse().ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([
            header::LOCATION,
            header::RETRY_AFTER,
            HeaderName::from_static("idempotent-replayed"),
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(Duration::from_mins(10))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's own signature")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    tracing::error!(panic = said.as_deref().unwrap_or("no message"), "a request panicked");
    Problem::internal().into_response()
}
