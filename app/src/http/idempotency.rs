//! `Idempotency-Key`: a POST that comes twice is done once, and answered the same.

use std::pin::Pin;
use std::time::Duration;

use aide::operation::OperationHandler;
use aide::{OperationInput, OperationOutput};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use guestlist_database::Database;
use guestlist_database::idempotency::{self, Begun, Lease, StoredAnswer};
use guestlist_domain::ManageableRoles;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use super::answer::RequestId;
use super::auth::{Caller, Guard, identify};
use super::body::unread;
use super::problem::{Code, Problem};
use super::state::App;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const LONGEST_KEY: usize = 255;
/// Longer than a request may take, so that only a crash lets it run out.
const LEASE: Duration = Duration::from_mins(1);

/// The handler of a POST that takes an `Idempotency-Key`.
///
/// The handler's first argument must be a [`Guard`]. It is checked before a stored answer is looked
/// up, so a replay is given only to a caller who may make the request now.
#[derive(Debug, Clone, Copy)]
pub struct Idempotent<H>(pub H);

/// The arguments of a handler that begin with a [`Guard`].
pub trait Guarded {
    /// The first argument.
    type Guard: Guard;
}

macro_rules! guarded {
    ($($argument:ident)*) => {
        /// As [`Handler`] lists arguments: a marker, then the arguments in their order.
        impl<M, G: Guard, $($argument),*> Guarded for (M, G, $($argument,)*) {
            type Guard = G;
        }
    };
}

guarded!();
guarded!(A);
guarded!(A B);
guarded!(A B C);
guarded!(A B C D);
guarded!(A B C D E);

impl<H: Handler<T, App>, T: Guarded> Handler<T, App> for Idempotent<H> {
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, request: Request, app: App) -> Self::Future {
        Box::pin(async move {
            if !request.headers().contains_key(&KEY) {
                return self.0.call(request, app).await;
            }
            let answer = once::<H, T>(self.0, request, app).await;
            answer.unwrap_or_else(IntoResponse::into_response)
        })
    }
}

impl<H: OperationHandler<I, O>, I: OperationInput, O: OperationOutput> OperationHandler<I, O>
    for Idempotent<H>
{
}

/// Calls the handler, or returns what it answered to the first request with this key.
async fn once<H: Handler<T, App>, T: Guarded>(
    handler: H,
    request: Request,
    app: App,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    T::Guard::from_request_parts(&mut parts, &app).await?;
    let caller = identify(&mut parts, &app).await?;
    let key = read_key(&parts.headers)?;
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    // With the parts, since the limit on the body stands there.
    let body = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await;
    let body = body.map_err(|rejection| unread(&rejection))?;
    let path = parts.uri.path();
    let key_hash = hash(&[caller_id(&caller).as_bytes(), b"POST", path.as_bytes(), key.as_bytes()]);
    let content_type = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |t| t.as_bytes());
    let query = parts.uri.query().unwrap_or_default();
    let request_hash = hash(&[content_type, query.as_bytes(), &body]);
    let database = app.store().database();
    let begun =
        idempotency::begin(database, key_hash, request_hash, app.ctx().now(), LEASE).await?;
    match begun {
        Begun::Fresh(lease) => {
            let request = Request::from_parts(parts, Body::from(body));
            let response = handler.call(request, app.clone()).await;
            keep(&app, lease, response).await
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
    let mut lines = headers.get_all(&KEY).iter();
    let key = match (lines.next(), lines.next()) {
        (Some(key), None) => key.to_str().ok(),
        _ => None,
    };
    let is_key = |key: &&str| (1..=LONGEST_KEY).contains(&key.len()) && !key.contains('\t');
    key.filter(is_key).ok_or_else(|| {
        let detail = "Send one Idempotency-Key of 1 to 255 printable ASCII characters.";
        Problem::new(Code::IdempotencyKeyInvalid, detail)
    })
}

/// Identifies the caller and whether they may act on administrators: a person who has been demoted
/// since gets no answer that only an administrator could get.
fn caller_id(caller: &Caller) -> String {
    let reach = match caller.reach() {
        ManageableRoles::All => "everybody",
        ManageableRoles::MemberOnly => "members",
    };
    match caller {
        Caller::Person(admitted) => format!("user:{}:{reach}", admitted.user.id),
        Caller::Program(key) => format!("key:{}:{reach}", key.id),
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
