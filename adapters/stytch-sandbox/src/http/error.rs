//! Stytch's error envelope. Strict SDKs fail to parse an error that lacks one of its five fields,
//! so every error response is built here.

use axum::{
    http::{
        StatusCode,
        header::{HeaderValue, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{http::response::json_response, state::ids};

/// An error response. The request had no effect unless the error says otherwise.
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
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
