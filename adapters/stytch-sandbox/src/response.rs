//! Responses, none of which may be cached.

use askama::Template;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::state::ids;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) type ApiResult = Result<ApiResponse, ApiError>;
pub(crate) type HttpResult = Result<Response, ApiError>;

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

/// Stytch's error envelope. Strict SDKs fail to parse an error that lacks one of its five fields, so
/// every error response is one of these. The request had no effect unless the error says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) error_type: String,
    pub(crate) message: String,
    pub(crate) retry_after_seconds: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, error_type: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            error_type: error_type.to_owned(),
            message: message.into(),
            retry_after_seconds: None,
        }
    }

    pub(crate) fn bad_request(error_type: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error_type, message)
    }

    pub(crate) fn unauthorized(error_type: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error_type, message)
    }

    pub(crate) fn not_found(error_type: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error_type, message)
    }

    /// The control plane's answer to an invalid request.
    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message)
    }

    pub(crate) fn route_not_found() -> Self {
        Self::not_found("route_not_found", "The requested route was not found by the Stytch API.")
    }

    pub(crate) fn user_not_found() -> Self {
        Self::not_found("user_not_found", "User could not be found.")
    }

    pub(crate) fn email_not_found() -> Self {
        Self::not_found("email_not_found", "Email could not be found.")
    }

    pub(crate) fn session_not_found() -> Self {
        Self::not_found("session_not_found", "Session could not be found.")
    }

    pub(crate) fn duplicate_email() -> Self {
        Self::bad_request(
            "duplicate_email",
            "A user with the specified email already exists for this project.",
        )
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_server_error",
            "Oops, something seems to have gone wrong, please reach out to support@stytch.com.",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status.as_u16();
        let body = json!({
            "status_code": status,
            "request_id": ids::id("request-id"),
            "error_type": self.error_type,
            "error_message": self.message,
            "error_url": format!("https://stytch.com/docs/api/errors/{status}#{}", self.error_type),
        });
        let mut response = json_response(self.status, &body);
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
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
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")];
    // Without the content type that axum adds to a text.
    (status, headers, body.into()).into_response()
}

/// Returns a 302 response, which sends browsers to `location`.
pub(crate) fn found(location: &str) -> HttpResult {
    let location = HeaderValue::from_str(location).map_err(|_| ApiError::internal())?;
    let mut response = response(StatusCode::FOUND, "text/plain", "");
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

pub(crate) fn html(template: &impl Template) -> HttpResult {
    let html = template.render().map_err(|_| ApiError::internal())?;
    Ok(web_response("text/html; charset=utf-8", html))
}

/// Returns a page or one of its assets, with the headers that confine it to this origin.
pub(crate) fn web_response(content_type: &'static str, content: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, response(StatusCode::OK, content_type, content)).into_response()
}
