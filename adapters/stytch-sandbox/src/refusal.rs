//! Stytch's error envelope. Strict SDKs fail to parse an error that lacks one of its five fields,
//! so there is one way to make one, and it has them all.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::ids;

/// An answer that says no. The work was not done, unless the refusal says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error_type: String,
    pub(crate) message: String,
    pub(crate) retry_after_seconds: Option<u64>,
}

impl Refusal {
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

    /// What the control plane says to what makes no sense.
    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message)
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

    pub(crate) fn body(&self) -> Value {
        let status = self.status.as_u16();
        json!({
            "status_code": status,
            "request_id": ids::id("request-id"),
            "error_type": self.error_type,
            "error_message": self.message,
            "error_url": format!("https://stytch.com/docs/api/errors/{status}#{}", self.error_type),
        })
    }
}
