//! Errors of the HTTP interface: problem details (RFC 9457) with a stable code.

mod code;
mod errors;

use std::time::Duration;

use aide::OperationOutput;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

pub use code::Code;

/// The response of a route of the API.
pub type ApiResult<T = Response> = Result<T, Problem>;

/// An error for the caller. The outermost middleware renders its body, since it knows the request
/// id and whether the caller wants HTML or JSON.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The stable code, which implies the HTTP status.
    pub code: Code,
    /// An explanation for people, with a remedy where there is one.
    pub detail: String,
    /// Errors of single fields.
    pub errors: Vec<FieldError>,
    /// The value of `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Additional members; which ones depends on the code.
    pub extensions: Map<String, Value>,
}

/// An invalid field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) into the body, as in `/email`.
    pub pointer: String,
    /// What is wrong with the field.
    pub detail: String,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            extensions: Map::new(),
        }
    }

    /// Creates a 404 for a resource of that kind.
    pub fn not_found(kind: &str) -> Self {
        Self::new(Code::NotFound, format!("No such {kind}."))
    }

    /// Creates a 422 for invalid fields.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = "The request has invalid fields; see `errors`.";
        Self { errors, ..Self::new(Code::InvalidRequest, detail) }
    }

    /// Creates a 422 for one invalid field.
    pub fn field(field: &str, error: impl std::fmt::Display) -> Self {
        Self::invalid(vec![FieldError { pointer: format!("/{field}"), detail: error.to_string() }])
    }

    /// Creates a 429.
    pub fn too_many(wait: Duration) -> Self {
        let detail = format!("Too many requests. Try again in {}.", seconds_text(wait));
        Self::new(Code::TooManyRequests, detail).retry_after(wait)
    }

    /// Creates a 500. The cause belongs in the log only.
    pub fn internal() -> Self {
        let detail = "Something went wrong. If you report it, include the request id.";
        Self::new(Code::InternalError, detail)
    }

    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.extensions.insert(name.to_owned(), value);
        self
    }

    /// Renders the problem as `application/problem+json`.
    pub fn to_json(&self, request_id: &str) -> Response {
        let status = self.status();
        let body = ProblemBody {
            r#type: format!("urn:guestlist:problem:{}", self.code.as_str()),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            errors: &self.errors,
            extensions: &self.extensions,
        };
        let headers = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, headers, Json(body)).into_response()
    }
}

/// An error (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem", extend("required" = ["type", "title", "status", "detail", "code", "request_id"]))]
pub struct ProblemBody<'a> {
    /// `urn:guestlist:problem:` and the code.
    r#type: String,
    /// The reason phrase of the HTTP status.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// An explanation for people, with a remedy where there is one.
    detail: &'a str,
    code: Code,
    /// The value of `X-Request-Id`, which is also in Guestlist's log.
    request_id: &'a str,
    /// The invalid fields, if there are any.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    extensions: &'a Map<String, Value>,
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Returns the time in whole seconds, as in "25 seconds".
fn seconds_text(wait: Duration) -> String {
    let seconds = whole_seconds(wait);
    let unit = if seconds == 1 { "second" } else { "seconds" };
    format!("{seconds} {unit}")
}

/// Returns whether problems at this path are always JSON, regardless of the `Accept` header.
pub fn is_api_path(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/") || path.starts_with("/webhooks/")
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code, code.detail())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(wait) = self.retry_after {
            let seconds = HeaderValue::from(whole_seconds(wait));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        let is_webhook = matches!(self.code, Code::SignatureInvalid | Code::SignatureExpired);
        if self.status() == StatusCode::UNAUTHORIZED && !is_webhook {
            // Required by RFC 9110, 11.6.1. `Basic` would make browsers ask for a password.
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The problems of an operation are documented by its extractors and its route.
impl OperationOutput for Problem {
    type Inner = Self;
}
