//! `Idempotency-Key`: a POST that comes twice is done once, and answered the same.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use guestlist_database::Database;
use guestlist_database::idempotency::{self, Begun, Lease, StoredAnswer};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use super::answer::RequestId;
use super::auth::{Caller, identify};
use super::body::unread;
use super::problem::{Code, Problem};
use super::state::App;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const LONGEST_KEY: usize = 255;
/// Longer than a request may take, so that only a crash lets it run out.
const LEASE: Duration = Duration::from_mins(1);

/// Lets a request through, or answers as the first of its key was answered.
pub async fn replay(State(app): State<App>, request: Request, next: Next) -> Response {
    match keyed(&app, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn keyed(app: &App, request: Request, next: Next) -> Result<Response, Problem> {
    let has_key = request.headers().contains_key(&KEY);
    if request.method() != Method::POST || !has_key {
        return Ok(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let Ok(caller) = identify(&mut parts, app).await else {
        // The handler says why.
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let key = read_key(&parts.headers)?;
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    // With the parts, since the limit on the body stands there.
    let body = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await;
    let body = body.map_err(|rejection| unread(&rejection))?;
    let path = parts.uri.path();
    let key_hash = hash(&[caller_id(&caller).as_bytes(), b"POST", path.as_bytes(), key.as_bytes()]);
    let content_type = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |t| t.as_bytes());
    let request_hash = hash(&[content_type, &body]);
    let database = app.store().database();
    let begun =
        idempotency::begin(database, key_hash, request_hash, app.ctx().now(), LEASE).await?;
    match begun {
        Begun::Fresh(lease) => {
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            keep(app, lease, response).await
        }
        Begun::Replay(answer) => replayed(answer, &request_id),
        Begun::InUse => {
            let detail = "A request with this Idempotency-Key is being carried out.";
            Err(Problem::new(Code::IdempotencyKeyInUse, detail))
        }
        Begun::Mismatch => {
            let detail = "This Idempotency-Key was used for a request with another body.";
            Err(Problem::new(Code::IdempotencyKeyReused, detail))
        }
    }
}

fn read_key(headers: &HeaderMap) -> Result<&str, Problem> {
    let key = headers.get(&KEY).and_then(|key| key.to_str().ok());
    let is_key = |key: &&str| (1..=LONGEST_KEY).contains(&key.len()) && !key.contains('\t');
    key.filter(is_key).ok_or_else(|| {
        let detail = "Idempotency-Key must be 1 to 255 ASCII characters that can be seen.";
        Problem::new(Code::IdempotencyKeyInvalid, detail)
    })
}

fn caller_id(caller: &Caller) -> String {
    match caller {
        Caller::Person(admitted) => format!("user:{}", admitted.user.id),
        Caller::Program(key) => format!("key:{}", key.id),
    }
}

/// Each part with its length, so that no two lists of parts are the same bytes.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Keeps an answer that the same request would get again; frees the key for any other.
async fn keep(app: &App, lease: Lease, response: Response) -> Result<Response, Problem> {
    let database = app.store().database();
    let passes = matches!(
        response.status(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    );
    if passes || response.status().is_server_error() {
        if let Err(error) = idempotency::abandon(database, lease).await {
            tracing::error!(%error, "an Idempotency-Key is busy until its lease ends");
        }
        return Ok(response);
    }
    if let Some(problem) = response.extensions().get::<Problem>() {
        // Each answer names its own request, so none is kept.
        let (_, answer) = stored(problem.to_json("")).await?;
        finish(database, lease, &answer).await;
        return Ok(response);
    }
    let (response, answer) = stored(response).await?;
    finish(database, lease, &answer).await;
    Ok(response)
}

/// What was done is done, and is told, even if a second asking will not be answered the same.
async fn finish(database: &Database, lease: Lease, answer: &StoredAnswer) {
    if let Err(error) = idempotency::finish(database, lease, answer).await {
        tracing::error!(%error, "an answer could not be kept for its Idempotency-Key");
    }
}

async fn stored(response: Response) -> Result<(Response, StoredAnswer), Problem> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|_| Problem::internal())?.to_bytes();
    let kept = |name: &HeaderName| matches!(*name, header::CONTENT_TYPE | header::LOCATION);
    let headers = parts.headers.iter().filter(|(name, _)| kept(name));
    let answer = StoredAnswer {
        status: parts.status.as_u16(),
        headers: headers
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        content: String::from_utf8_lossy(&bytes).into_owned(),
    };
    Ok((Response::from_parts(parts, Body::from(bytes)), answer))
}

fn replayed(answer: StoredAnswer, request_id: &str) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(answer.status).map_err(|_| Problem::internal())?;
    let content = if status.is_client_error() {
        let named = format!("\"request_id\":\"{request_id}\"");
        answer.content.replacen("\"request_id\":\"\"", &named, 1)
    } else {
        answer.content
    };
    let mut response = (status, content).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        let (name, value) = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
