//! Responses. None of them may be cached.

use askama::Template;
use axum::{
    body::Body,
    http::{
        StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
            REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{http::error::ApiError, state::ids};

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A successful API response: an object, to which the envelope's `status_code` and `request_id` are
/// added.
#[derive(Debug)]
pub(crate) struct ApiResponse(pub(crate) Value);

impl IntoResponse for ApiResponse {
    fn into_response(self) -> Response {
        let Self(mut object) = self;
        object["status_code"] = json!(200);
        object["request_id"] = json!(ids::id("request-id"));
        json_response(StatusCode::OK, &object)
    }
}

pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    response(status, "application/json", body.to_string())
}

/// Returns a 302 response, which sends browsers to `location`.
pub(crate) fn found(location: &str) -> Result<Response, ApiError> {
    let location = HeaderValue::from_str(location).map_err(|_| ApiError::internal())?;
    let mut response = response(StatusCode::FOUND, "text/plain", "");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

pub(crate) fn html(template: &impl Template) -> Result<Response, ApiError> {
    let html = template.render().map_err(|_| ApiError::internal())?;
    Ok(web_response("text/html; charset=utf-8", html))
}

/// Returns a page or one of its assets, with the headers that confine it to this origin.
pub(crate) fn web_response(content_type: &'static str, content: impl Into<Body>) -> Response {
    let mut response = response(StatusCode::OK, content_type, content);
    let headers: HeaderMap = [
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
    .into_iter()
    .collect();
    response.headers_mut().extend(headers);
    response
}

pub(crate) fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    // Without the content type that axum adds to a text.
    (status, headers, body.into()).into_response()
}
