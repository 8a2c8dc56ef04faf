//! Provider errors of each kind, with error codes of Stytch.

use std::time::Duration;

use guestlist_domain::{ProviderError, ProviderErrorKind as Kind};

/// A 500 response, which had no effect.
pub(crate) fn internal() -> ProviderError {
    error(Kind::Unavailable, "internal_server_error")
}

pub(crate) fn unreachable() -> ProviderError {
    error(Kind::Unavailable, "connect")
}

pub(crate) fn rate_limited(retry_after: Option<Duration>) -> ProviderError {
    error(Kind::RateLimited(retry_after), "too_many_requests")
}

pub(crate) fn bulk_mail_limited(retry_after: Option<Duration>) -> ProviderError {
    error(Kind::BulkMailLimited(retry_after), "too_few_tokens_authenticated")
}

pub(crate) fn misconfigured() -> ProviderError {
    error(Kind::Misconfigured, "unauthorized_credentials")
}

/// A permanent rejection, e.g. `invalid_email`.
pub(crate) fn rejected(code: &str) -> ProviderError {
    error(Kind::Rejected, code)
}

pub(crate) fn address_taken() -> ProviderError {
    error(Kind::AddressTaken, "duplicate_email")
}

pub(crate) fn link_used_or_expired() -> ProviderError {
    error(Kind::LinkUsedOrExpired, "unable_to_auth_magic_link")
}

pub(crate) fn session_not_found() -> ProviderError {
    error(Kind::SessionNotFound, "session_not_found")
}

/// The timeout of a call that must not be repeated.
pub(crate) fn doubtful() -> ProviderError {
    ProviderError { request_id: None, ..error(Kind::Doubtful, "timeout") }
}

/// The timeout of a call that may be repeated.
pub(crate) fn timed_out() -> ProviderError {
    ProviderError { request_id: None, ..error(Kind::Unavailable, "timeout") }
}

fn error(kind: Kind, code: &str) -> ProviderError {
    ProviderError {
        kind,
        code: code.into(),
        message: format!("the provider answered {code}"),
        request_id: Some("request-id-refused".into()),
    }
}
