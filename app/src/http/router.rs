//! Every route there is.

use std::any::Any;
use std::time::Duration;

use aide::axum::ApiRouter;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http_listener::AllowedHosts;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::TimeoutLayer;

use super::body::BODY_LIMIT;
use super::host::check_host;
use super::problem::Problem;
use super::state::App;
use super::{answer, openapi, routes};
use crate::pages;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The application's routes, for these hosts only where there are any.
pub fn router(app: App, hosts: Option<AllowedHosts>) -> anyhow::Result<Router> {
    let document = openapi::document(app.site())?;
    let document = Bytes::from(serde_json::to_vec(&document)?);
    let documented = ApiRouter::new()
        .nest("/v1", api(&app))
        .merge(routes::pages())
        .merge(routes::hooks())
        .merge(routes::probes());
    Ok(Router::from(documented)
        .route("/openapi.json", get(async || served(document)))
        .merge(pages::routes())
        .fallback(async || Problem::not_found("address"))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(hosts, check_host))
        .layer(middleware::from_fn_with_state(app.clone(), answer::answer))
        .with_state(app))
}

fn served(document: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        // Nothing of it is secret, and tools on other pages read it.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, document).into_response()
}

fn api(app: &App) -> ApiRouter<App> {
    routes::keyed().merge(routes::unkeyed()).layer(cors(app))
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
