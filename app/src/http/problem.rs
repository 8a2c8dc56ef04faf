//! Every error of the HTTP interface: RFC 9457, with a code that never changes.

mod code;

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use guestlist_domain::{ProviderError, ProviderErrorKind, StoreError};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::openapi::shapes;

pub use code::Code;

/// Something that went wrong, for a caller to read. It becomes a body at the very end, in
/// [`super::answer`], where the request's id is known and whether a person or a program asked.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Stable, for programs; it has the HTTP status.
    pub code: Code,
    /// For people; says what to do where something can be done.
    pub detail: String,
    /// Which fields are wrong, and how.
    pub errors: Vec<FieldError>,
    /// When to come again.
    pub retry_after: Option<Duration>,
    /// Whose address a page's form is filled in with; no part of the JSON.
    pub email: Option<String>,
    /// Where the link leads that a page's form asks for; no part of the JSON.
    pub return_to: Option<String>,
    /// More members, by code.
    pub more: Map<String, Value>,
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) into the body, e.g. `/email`.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem of that code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            email: None,
            return_to: None,
            more: Map::new(),
        }
    }

    /// Nothing is there.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }

    /// Fields of the request are wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = "The request holds what can't be accepted; `errors` says what.";
        Self { errors, ..Self::new(Code::InvalidRequest, detail) }
    }

    /// One field of the request is wrong.
    pub fn field(field: &str, error: impl std::fmt::Display) -> Self {
        Self::invalid(vec![FieldError { pointer: format!("/{field}"), detail: error.to_string() }])
    }

    /// Too much in too short a time.
    pub fn too_many(code: Code, wait: Duration) -> Self {
        let seconds = seconds_up(wait);
        let detail = format!("Asked too often. Ask again in {seconds} s.");
        let problem = Self::new(code, detail);
        Self { retry_after: Some(wait), ..problem }
    }

    /// Our fault; what exactly is in the log.
    pub fn internal() -> Self {
        let detail = "Something went wrong on our side. The request id helps to find it.";
        Self::new(Code::InternalError, detail)
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// As JSON.
    pub fn to_json(&self, request_id: &str) -> Response {
        let status = self.status();
        let body = Body {
            r#type: format!("urn:guestlist:problem:{}", self.code.as_str()),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            errors: &self.errors,
            more: &self.more,
        };
        let mut response = (status, Json(body)).into_response();
        let problem_json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem_json);
        response
    }
}

/// A problem as it is sent (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem", extend("required" = ["type", "title", "status", "detail", "code", "request_id"]))]
pub struct Body<'a> {
    r#type: String,
    /// The status in words.
    title: &'a str,
    status: u16,
    /// For people; says what to do where something can be done.
    detail: &'a str,
    #[schemars(with = "shapes::Code")]
    code: Code,
    /// As in `X-Request-Id`; the log names it too.
    request_id: &'a str,
    /// Which fields are wrong, where any are.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    more: &'a Map<String, Value>,
}

/// Whole seconds, never too few.
pub fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(wait) = self.retry_after {
            let seconds = HeaderValue::from(seconds_up(wait));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        // Those who sign are programs that know how.
        let wants_signature = matches!(self.code, Code::SignatureInvalid | Code::SignatureExpired);
        if self.status() == StatusCode::UNAUTHORIZED && !wants_signature {
            // RFC 9110, 11.6.1. No `Basic`: a browser would ask for a password by itself.
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request could not use the database");
        if !error.is_transient() {
            return Self::internal();
        }
        let detail = "The database can't be reached. Try again.";
        let problem = Self::new(Code::DatabaseUnavailable, detail);
        Self { retry_after: Some(Duration::from_secs(2)), ..problem }
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        tracing::warn!(code = %error.code, request_id = error.request_id, "Stytch did not answer");
        let detail = "Stytch, which checks the link, can't be asked now. Try again soon; if the \
                      link has stopped working by then, ask for a new one.";
        let wait = match error.kind {
            ProviderErrorKind::RateLimited(Some(wait))
            | ProviderErrorKind::BulkMailLimited(Some(wait)) => wait,
            _ => Duration::from_secs(5),
        };
        Self { retry_after: Some(wait), ..Self::new(Code::ProviderUnavailable, detail) }
    }
}
