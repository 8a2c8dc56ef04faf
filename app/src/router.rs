//! The router: all routes, and the layers around them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http_listener::AllowedHosts;
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::TimeoutLayer;

use crate::config::SiteConfig;
use crate::extract::BODY_LIMIT;
use crate::middleware::{host, request};
use crate::openapi::document::document;
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::pages::authenticate;
use crate::problem::Problem;
use crate::state::App;
use crate::{api, pages, sessions};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Creates the router. If `hosts` is given, requests for other hosts are refused.
pub fn router(app: App, hosts: Option<AllowedHosts>) -> anyhow::Result<Router> {
    let document = openapi_document(&app.site)?;
    let reference = Arc::new(pages::ReferencePage::new(&app.site, &document)?);
    let document = Bytes::from(serde_json::to_vec(&document)?);
    Ok(Router::from(documented_routes(api::v1().layer(cors(&app.site))))
        .route("/openapi.json", get(async || document_response(document)))
        .route("/docs", get(async move |headers: HeaderMap| reference.serve(&headers)))
        .merge(pages::routes())
        .fallback(async || Problem::not_found("route"))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .layer(CatchPanicLayer::custom(panic_response))
        .layer(from_fn_with_state(hosts, host::check))
        .layer(from_fn_with_state(app.clone(), request::handle))
        .with_state(app))
}

/// Generates the OpenAPI document of this installation.
pub fn openapi_document(site: &SiteConfig) -> serde_json::Result<Value> {
    document(|| documented_routes(api::v1()), site)
}

fn documented_routes(v1: ApiRouter<App>) -> ApiRouter<App> {
    ApiRouter::new().nest("/v1", v1).merge(link_page()).merge(api::unversioned())
}

/// The page that links lead to. It is documented because your own page may replace it.
fn link_page() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(get_with, "/authenticate", authenticate::show, |op| {
            op.named("show_link", "Show the page of a link")
                .description(
                    "The page has a Continue button that redeems the link. Opening the page \
                     consumes nothing, since mail scanners open links.",
                )
                .raw_response::<200>(Some("text/html"), "The page.")
                .problems(sessions::LINK_PROBLEMS)
        })
        .route_with(post_with, "/authenticate", authenticate::redeem, |op| {
            op.named("redeem_link", "Redeem a link")
                .description(
                    "Submitted by the page's Continue button: authenticates the token at Stytch, \
                     sets the session cookies, and redirects.",
                )
                .raw_response::<303>(
                    Some("text/html"),
                    "Logged in. Redirects to the link's `return_to`, else to APP_URL, else to `/`.",
                )
                .problems(sessions::LINK_PROBLEMS)
        })
}

fn document_response(document: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        // The document is public, and read by tools on other origins.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, document).into_response()
}

/// Lets the application's pages call the API with the browser's cookies.
fn cors(site: &SiteConfig) -> CorsLayer {
    let origins = site.app_origins.iter();
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

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panic_response(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    tracing::error!(panic = message.as_deref().unwrap_or("no message"), "a request panicked");
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::config::StytchProject;

    fn site() -> SiteConfig {
        SiteConfig {
            public_url: Url::parse("http://localhost:3000").unwrap(),
            app_name: "Guestlist".into(),
            app_url: None,
            app_origins: vec![],
            cookie_domain: None,
            hsts_include_subdomains: false,
            trusted_proxies: vec![],
            inbox_url: None,
            stytch: StytchProject::default(),
        }
    }

    #[test]
    fn the_committed_document_is_up_to_date() {
        let generated = serde_json::to_string_pretty(&openapi_document(&site()).unwrap()).unwrap();
        let committed = include_str!("../openapi.json");
        assert!(
            generated.trim() == committed.trim(),
            "the API has changed: run `cargo run -- openapi > app/openapi.json`, review the \
             difference, and commit it",
        );
    }

    #[test]
    fn every_operation_has_an_id_a_summary_and_a_successful_response() {
        let document = openapi_document(&site()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| (path, method, operation))
        });
        for (path, method, operation) in operations {
            assert!(operation["operationId"].is_string(), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path}");
            let responses = operation["responses"].as_object().unwrap();
            let is_success = |status: &String| status.starts_with('2') || status.starts_with('3');
            assert!(responses.keys().any(is_success), "{method} {path}");
        }
    }

    #[test]
    fn nullable_response_members_document_when_they_are_null() {
        let document = openapi_document(&site()).unwrap();
        let mut undocumented = Vec::new();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            // In requests, null means that a member is left out.
            let is_required = |member: &String| {
                let required = schema["required"].as_array();
                required.is_some_and(|all| all.iter().any(|one| one == member))
            };
            let members = schema["properties"].as_object().into_iter().flatten();
            for (member, schema) in members.filter(|(member, _)| is_required(member)) {
                let is_nullable = schema.to_string().contains(r#""null""#);
                if is_nullable && !schema["description"].is_string() {
                    undocumented.push(format!("{name}.{member}"));
                }
            }
        }
        assert!(undocumented.is_empty(), "describe null: {undocumented:#?}");
    }
}
