//! What Stytch, or the way to it, has against a call: the kinds there are, by the words that the
//! real one uses.

use std::time::Duration;

use guestlist_domain::{ProviderError, ProviderErrorKind as Kind};

/// A 500 in Stytch's own words: nothing was done.
pub(crate) fn internal() -> ProviderError {
    refusal(Kind::Unavailable, "internal_server_error")
}

/// No connection.
pub(crate) fn unreachable() -> ProviderError {
    refusal(Kind::Unavailable, "connect")
}

pub(crate) fn rate_limited(retry_after: Option<Duration>) -> ProviderError {
    refusal(Kind::RateLimited(retry_after), "too_many_requests")
}

pub(crate) fn misconfigured() -> ProviderError {
    refusal(Kind::Misconfigured, "unauthorized_credentials")
}

/// For good, e.g. `invalid_email`.
pub(crate) fn rejected(code: &str) -> ProviderError {
    refusal(Kind::Rejected, code)
}

/// Nothing came back in time from a call that is felt when it is made twice.
pub(crate) fn doubtful() -> ProviderError {
    ProviderError { request_id: None, ..refusal(Kind::Doubtful, "timeout") }
}

/// Nothing came back in time from a call that may be made again.
pub(crate) fn timed_out() -> ProviderError {
    ProviderError { request_id: None, ..refusal(Kind::Unavailable, "timeout") }
}

fn refusal(kind: Kind, code: &str) -> ProviderError {
    ProviderError {
        kind,
        code: code.into(),
        message: format!("Stytch said {code}"),
        request_id: Some("request-id-refused".into()),
    }
}
