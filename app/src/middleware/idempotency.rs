//! Idempotency keys: a POST that is repeated with the same key is carried out once.

use std::pin::Pin;
use std::time::Duration;

use aide::OperationOutput;
use aide::operation::OperationHandler;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use guestlist_database::idempotency::{self, KeyLease, KeyState, StoredResponse};
use guestlist_domain::ManageableRoles;
use http_body_util::BodyExt;
use schemars::json_schema;
use sha2::{Digest, Sha256};

use crate::extract::{Authorize, Caller, RequestId, authenticate, read_body};
use crate::openapi::operation::{
    BODY_PROBLEMS, GenContext, IDEMPOTENCY_KEY, Operation, OperationInput, add_header, add_problems,
};
use crate::problem::{Code, Problem};
use crate::state::App;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const MAX_KEY_LENGTH: usize = 255;
/// Longer than a request may take, so that a lease expires only after a crash.
const LEASE: Duration = Duration::from_mins(1);

/// A handler that supports `Idempotency-Key`, and is documented to.
///
/// Its first argument must be [`Authorize`]. It is checked before the stored response is looked up,
/// so a response is replayed only to a caller who may make the request now.
#[derive(Debug, Clone, Copy)]
pub struct Idempotent<H>(pub H);

/// The arguments of a handler whose first one is [`Authorize`].
pub trait AuthorizedArguments {
    type Authorize: Authorize;
}

// `Handler` lists a marker before the arguments. A handler with three further arguments needs one
// more implementation.
impl<M, F: Authorize> AuthorizedArguments for (M, F) {
    type Authorize = F;
}

impl<M, F: Authorize, A> AuthorizedArguments for (M, F, A) {
    type Authorize = F;
}

impl<M, F: Authorize, A, B> AuthorizedArguments for (M, F, A, B) {
    type Authorize = F;
}

impl<H: Handler<T, App>, T: AuthorizedArguments> Handler<T, App> for Idempotent<H> {
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, request: Request, app: App) -> Self::Future {
        Box::pin(async move {
            if !request.headers().contains_key(&KEY) {
                return self.0.call(request, app).await;
            }
            let response = call_once::<H, T>(self.0, request, app).await;
            response.unwrap_or_else(IntoResponse::into_response)
        })
    }
}

impl<H: OperationHandler<I, O>, I: OperationInput, O: OperationOutput>
    OperationHandler<(I, IdempotencyKey), O> for Idempotent<H>
{
}

/// The header, as an input of the documented operation.
#[derive(Debug)]
pub struct IdempotencyKey;

impl OperationInput for IdempotencyKey {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({ "type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$" });
        let description = "Makes retries safe: within 24 hours, the same key and body return the \
                           first response again, and nothing is done twice.";
        add_header(operation, IDEMPOTENCY_KEY, description, false, schema);
        add_problems(operation, BODY_PROBLEMS);
        add_problems(
            operation,
            &[Code::IdempotencyKeyInUse, Code::IdempotencyKeyReused, Code::IdempotencyKeyInvalid],
        );
    }
}

/// Calls the handler, or replays the response to the first request with this key.
async fn call_once<H: Handler<T, App>, T: AuthorizedArguments>(
    handler: H,
    request: Request,
    app: App,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    T::Authorize::from_request_parts(&mut parts, &app).await?;
    let caller = authenticate(&mut parts, &app).await?;
    let key = parse_key(&parts.headers)?;
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    // The parts contain the size limit of the body.
    let body = read_body(Request::from_parts(parts.clone(), body), &()).await?;
    let path = parts.uri.path();
    let key_hash = hash(&[caller_id(&caller).as_bytes(), b"POST", path.as_bytes(), key.as_bytes()]);
    let content_type = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |t| t.as_bytes());
    let query = parts.uri.query().unwrap_or_default();
    let request_hash = hash(&[content_type, query.as_bytes(), &body]);
    let database = app.store.database();
    match idempotency::acquire(database, key_hash, request_hash, app.ctx.now(), LEASE).await? {
        KeyState::Acquired(lease) => {
            let request = Request::from_parts(parts, Body::from(body));
            let response = handler.call(request, app.clone()).await;
            store_response(&app, lease, response).await
        }
        KeyState::Completed(stored) => replay(stored, &request_id),
        KeyState::InUse => Err(Code::IdempotencyKeyInUse.into()),
        KeyState::Mismatch => Err(Code::IdempotencyKeyReused.into()),
    }
}

fn parse_key(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut lines = headers.get_all(&KEY).iter();
    let key = match (lines.next(), lines.next()) {
        (Some(key), None) => key.to_str().ok(),
        _ => None,
    };
    let is_valid = |key: &&str| (1..=MAX_KEY_LENGTH).contains(&key.len()) && !key.contains('\t');
    key.filter(is_valid).ok_or_else(|| Code::IdempotencyKeyInvalid.into())
}

/// Identifies the caller and the roles they may manage: a user who has been demoted gets no
/// response that only an administrator could get.
fn caller_id(caller: &Caller) -> String {
    let manageable = match caller.manageable_roles() {
        ManageableRoles::All => "everybody",
        ManageableRoles::MemberOnly => "members",
    };
    match caller {
        Caller::User(verified) => format!("user:{}:{manageable}", verified.user.id),
        Caller::ApiKey(key) => format!("key:{}:{manageable}", key.id),
    }
}

/// Hashes a list of parts. Each is prefixed by its length, so that different lists never produce
/// the same bytes.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Stores a response that may be replayed; otherwise releases the key.
async fn store_response(
    app: &App,
    lease: KeyLease,
    response: Response,
) -> Result<Response, Problem> {
    let database = app.store.database();
    let is_temporary = matches!(
        response.status(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    );
    if is_temporary || response.status().is_server_error() {
        if let Err(error) = idempotency::release(database, lease).await {
            tracing::error!(%error, "an idempotency key stays in use until its lease expires");
        }
        return Ok(response);
    }
    let (response, stored) = if let Some(problem) = response.extensions().get::<Problem>() {
        // Stored without a request id: the replay has its own.
        let (_, stored) = read_response(problem.to_json("")).await?;
        (response, stored)
    } else {
        read_response(response).await?
    };
    // The request has been carried out, so a failure is only logged.
    if let Err(error) = idempotency::complete(database, lease, &stored).await {
        tracing::error!(%error, "a response could not be stored for its idempotency key");
    }
    Ok(response)
}

async fn read_response(response: Response) -> Result<(Response, StoredResponse), Problem> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|_| Problem::internal())?.to_bytes();
    let is_stored = |name: &HeaderName| matches!(*name, header::CONTENT_TYPE | header::LOCATION);
    let headers = parts.headers.iter().filter(|(name, _)| is_stored(name));
    let stored = StoredResponse {
        status: parts.status.as_u16(),
        headers: headers
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    Ok((Response::from_parts(parts, Body::from(bytes)), stored))
}

fn replay(stored: StoredResponse, request_id: &str) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(stored.status).map_err(|_| Problem::internal())?;
    let content = if status.is_client_error() {
        let member = format!("\"request_id\":\"{request_id}\"");
        stored.body.replacen("\"request_id\":\"\"", &member, 1)
    } else {
        stored.body
    };
    let mut response = (status, content).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in stored.headers {
        let (name, value) = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
