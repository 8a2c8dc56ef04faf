//! Bodies and queries, read strictly: what is not understood is refused, and says where.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_listener::BodyTimedOut;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::json;
use super::plain::field_error;
use super::problem::{Code, FieldError, Problem};

/// The most that a body may hold, except a batch's: 1 MiB.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A form of a page.
#[derive(Debug)]
pub struct Form<T>(pub T);

/// The query, without anything that is not known.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require_type(request.headers(), "application/json")?;
        let bytes = read(request, state).await?;
        from_value(json::parse(&bytes)?).map(Self)
    }
}

/// A body that may be missing altogether.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        if request.headers().get(header::CONTENT_TYPE).is_none() {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require_type(request.headers(), "application/x-www-form-urlencoded")?;
        let bytes = read(request, state).await?;
        from_pairs(&bytes).map(Self).map_err(|error| Problem::invalid(vec![error]))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        from_pairs(query.as_bytes()).map(Self).map_err(|error| {
            let name = error.pointer.trim_start_matches('/');
            let detail = match name {
                "" => format!("The query {}.", error.detail),
                name => format!("The parameter `{name}` of the query {}.", error.detail),
            };
            Problem { errors: vec![error], ..Problem::new(Code::InvalidQuery, detail) }
        })
    }
}

/// Reads the pairs of a query or a form.
fn from_pairs<T: DeserializeOwned>(pairs: &[u8]) -> Result<T, FieldError> {
    let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(pairs));
    serde_path_to_error::deserialize(pairs)
        .map_err(|error| field_error(error.path(), &error.inner().to_string()))
}

fn require_type(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let detail = "Send the body as it is: no Content-Encoding, such as gzip, is taken.";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|given| given.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case(wanted)) {
        return Ok(());
    }
    let detail = format!("Send the body as {wanted}, and say so in Content-Type.");
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))
}

/// Why a body could not be read to its end.
pub fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    let mut causes = std::iter::successors(rejection.source(), |error| (**error).source());
    if causes.any(<dyn std::error::Error>::is::<BodyTimedOut>) {
        return Problem::new(Code::BodyTimeout, "The body did not arrive in time.");
    }
    let detail = "The body ended before it was complete.";
    Problem::new(Code::MalformedBody, detail)
}

/// The body is over the limit.
pub fn too_large() -> Problem {
    let detail = "The body is larger than 1 MiB.";
    Problem::new(Code::BodyTooLarge, detail)
}

fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    // By position, serde would read a list as the fields in the order in which we wrote them.
    if !value.is_object() {
        let detail = "must be an object".to_owned();
        return Err(Problem::invalid(vec![FieldError { pointer: String::new(), detail }]));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let error = field_error(error.path(), &error.inner().to_string());
        Problem::invalid(vec![error])
    })
}

/// Collects what is wrong with the fields of a request, so that all is said at once.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// The value, or a note of what is wrong with the field.
    pub fn take<T, E: std::fmt::Display>(&mut self, field: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.note(field, error.to_string())).ok()
    }

    /// Notes what is wrong with a field.
    pub fn note(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(FieldError { pointer: format!("/{field}"), detail: detail.into() });
    }

    /// The problem that all of it is.
    pub fn into_problem(self) -> Problem {
        Problem::invalid(self.0)
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
