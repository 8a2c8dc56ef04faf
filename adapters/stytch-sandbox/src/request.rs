//! Parts of a request. They are read leniently where Stytch's SDKs differ: a body on GET is ignored,
//! `null` means absent, unknown fields and query parameters are accepted.

use axum::{
    body::{Bytes, HttpBody},
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE, request::Parts},
};
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::response::ApiError;

/// The JSON body of an API request. Rejects others with 400.
pub(crate) struct ApiJson<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await.map_err(|_| ApiError::internal())?;
        let parsed = parse_json(&body).map(Self);
        parsed.map_err(|error| ApiError::bad_request("bad_request", error.to_string()))
    }
}

/// Parses a body; an empty one or `null` counts as `{}`.
pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(match body.trim_ascii() {
        b"" | b"null" => b"{}",
        body => body,
    })
}

/// The only path parameter of a route, percent-decoded.
pub(crate) struct PathId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| ApiError::route_not_found())
    }
}

/// Returns the first query parameter of that name, if it is not empty.
pub(crate) fn query_parameter(uri: &Uri, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let (_, value) = pairs.find(|(key, _)| key == name)?;
    Some(value.into_owned()).filter(|value| !value.is_empty())
}

/// Rejects bodies other than JSON with 415, except on GET and HEAD. Forms and plain text are what a
/// page of another origin can send without a preflight request.
pub(crate) fn require_json(request: &Request) -> Result<(), ApiError> {
    let content_type = request.headers().get(CONTENT_TYPE);
    if matches!(*request.method(), Method::GET | Method::HEAD)
        || content_type.is_none() && request.body().is_end_stream()
    {
        return Ok(());
    }
    let text = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_content_type",
        "Send the body as JSON, with Content-Type: application/json.",
    ))
}

/// Returns an optional text; an empty one counts as absent.
pub(crate) fn non_empty(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}
