//! Responses. None of them may be cached.

use axum::{
    body::Body,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::state::ids;

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
