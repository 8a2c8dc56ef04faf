//! The control plane for people and tests. No fault affects it, and it needs no credentials, which
//! is why the sandbox listens on loopback by default.

mod inbox;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::api::users;
use crate::faults::Fault;
use crate::request::{PathId, parse_json, query_parameter, require_json};
use crate::response::{ApiError, HttpResult, found, json_response, web_response};
use crate::state::keys::Key;
use crate::state::{Project, Record, clock};
use crate::webhooks::{Source, Webhooks};

pub(crate) fn router(project: Arc<Project>) -> Router {
    Router::new()
        .route("/", get(async || found("/inbox")))
        .route("/inbox", get(inbox::page))
        .route("/inbox.css", get(async || css(include_str!("../static/inbox.css"))))
        .route("/inbox.js", get(async || js(include_str!("../static/inbox.js"))))
        .route("/redirect.js", get(async || js(include_str!("../static/redirect.js"))))
        .route("/sandbox/emails", get(inbox::emails))
        .route("/sandbox/faults", get(show_fault).put(set_fault))
        .route("/sandbox/stats", get(show_stats))
        .route("/sandbox/clock", get(show_clock).put(advance_clock))
        .route("/sandbox/jwks/rotate", post(rotate_key))
        .route("/sandbox/webhooks", get(list_webhooks).put(pause_webhooks))
        .route("/sandbox/webhooks/{id}/resend", post(resend_webhook))
        .merge(admin_api())
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
        .layer(from_fn(json_only))
        .with_state(project)
}

/// Changes users as an administrator does in Stytch's dashboard: requests and responses are those
/// of `/v1/users`, while webhooks name the dashboard as their source.
fn admin_api() -> Router<Arc<Project>> {
    Router::new()
        .route("/sandbox/users", post(users::create))
        .route("/sandbox/users/{user_id}", put(users::update).delete(users::delete))
        .layer(Extension(Source::Dashboard))
}

async fn json_only(request: Request, next: Next) -> HttpResult {
    require_json(&request)?;
    Ok(next.run(request).await)
}

fn css(content: &'static str) -> Response {
    web_response("text/css; charset=utf-8", content)
}

fn js(content: &'static str) -> Response {
    web_response("text/javascript; charset=utf-8", content)
}

fn ok(body: &Value) -> Response {
    json_response(StatusCode::OK, body)
}

/// Parses the body of a request to change something. Rejects others with 422.
fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    parse_json(body).map_err(|error| ApiError::unprocessable(error.to_string()))
}

async fn show_fault(State(project): State<Arc<Project>>) -> Response {
    ok(&project.fault.lock().to_json())
}

async fn set_fault(State(project): State<Arc<Project>>, body: Bytes) -> HttpResult {
    let fault: Fault = parse(&body)?;
    fault.validate().map_err(ApiError::unprocessable)?;
    let response = ok(&fault.to_json());
    *project.fault.lock() = fault;
    Ok(response)
}

async fn show_stats(State(project): State<Arc<Project>>) -> Response {
    ok(&json!(*project.stats.lock()))
}

async fn show_clock(State(project): State<Arc<Project>>) -> Response {
    let offset_seconds = project.read(|tables, _| tables.clock_offset_seconds);
    clock_response(project.now(), offset_seconds)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvanceRequest {
    /// Added to the current offset; may be negative.
    advance_seconds: i64,
}

async fn advance_clock(State(project): State<Arc<Project>>, body: Bytes) -> HttpResult {
    let AdvanceRequest { advance_seconds } = parse(&body)?;
    let offset_seconds = project.change(|store, _| {
        let offset = store.tables.clock_offset_seconds.checked_add(advance_seconds);
        let max = clock::MAX_OFFSET_SECONDS;
        let Some(offset_seconds) = offset.filter(|offset| (-max..=max).contains(offset)) else {
            let message = "advance_seconds may move the clock by a century at most";
            return Err(ApiError::unprocessable(message));
        };
        store.write(Record::Clock { offset_seconds });
        Ok(offset_seconds)
    })?;
    Ok(clock_response(project.now(), offset_seconds))
}

fn clock_response(now: Timestamp, offset_seconds: i64) -> Response {
    ok(&json!({"now": now, "offset_seconds": offset_seconds}))
}

/// Signs with a new key, which is generated on a blocking thread because that takes a tenth of a
/// second.
async fn rotate_key(State(project): State<Arc<Project>>) -> HttpResult {
    let key = tokio::task::spawn_blocking(Key::generate).await;
    let key = key.map_err(|_| ApiError::internal())?.map_err(|_| ApiError::internal())?;
    let kid = key.kid.clone();
    project.rotate_key(key)?;
    Ok(ok(&json!({"kid": kid})))
}

async fn list_webhooks(State(project): State<Arc<Project>>, uri: Uri) -> HttpResult {
    Ok(ok(&webhooks(&project)?.to_json(query_parameter(&uri, "user_id").as_deref())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseRequest {
    paused: bool,
}

async fn pause_webhooks(State(project): State<Arc<Project>>, body: Bytes) -> HttpResult {
    let webhooks = webhooks(&project)?;
    let PauseRequest { paused } = parse(&body)?;
    webhooks.set_paused(paused);
    Ok(ok(&json!({"paused": paused})))
}

async fn resend_webhook(State(project): State<Arc<Project>>, PathId(id): PathId) -> HttpResult {
    let message = webhooks(&project)?.resend(&id);
    message.map(|message| ok(&message)).ok_or_else(|| {
        ApiError::not_found("message_not_found", format!("There is no webhook message {id}."))
    })
}

fn webhooks(project: &Project) -> Result<&Webhooks, ApiError> {
    project.webhooks.as_deref().ok_or_else(|| {
        ApiError::not_found(
            "no_webhook_endpoint",
            "There is no webhook endpoint. Start the sandbox with --webhook-url.",
        )
    })
}

async fn unknown_route(uri: Uri) -> ApiError {
    let path = uri.path();
    ApiError::not_found(
        "route_not_found",
        format!(
            "The sandbox has no {path} with this method. It has /inbox, /sandbox/emails, \
             /sandbox/faults, /sandbox/stats, /sandbox/clock, /sandbox/jwks/rotate, \
             /sandbox/users and /sandbox/webhooks."
        ),
    )
}
