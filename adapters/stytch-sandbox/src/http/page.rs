//! Web pages, their assets and redirects.

use askama::Template;
use axum::{
    body::Body,
    http::{
        StatusCode,
        header::{
            CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, LOCATION, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::Response,
};

use crate::http::{error::ApiError, response::response};

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

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
