//! Classification of failed calls: what went wrong, and what the caller can do about it.
//!
//! This is the only place that knows Stytch's error types. Source: Stytch's error reference, and responses
//! recorded from its API.

use std::time::Duration;

use guestlist_domain::ProviderErrorKind::{
    AddressTaken, BulkMailLimited, Doubtful, LinkUsedOrExpired, Misconfigured, RateLimited,
    Rejected, SessionNotFound, Unavailable,
};
use guestlist_domain::{ProviderError, ProviderErrorKind as Kind};

use super::fields::MAX_ID_LENGTH;
use super::redact::redact;
use super::responses::ErrorBody;

/// Whether a call may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// Repeating the call changes nothing.
    Idempotent,
    /// Repeating the call sends another mail, or fails because the token is consumed.
    NonIdempotent,
}

impl Idempotency {
    /// Returns the kind of an error after which the call may have had its effect.
    fn lost(self) -> Kind {
        match self {
            Self::Idempotent => Unavailable,
            Self::NonIdempotent => Doubtful,
        }
    }
}

/// Why a call has no usable response.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// No connection was made, so nothing was sent.
    NotSent(String),
    /// No response arrived in time.
    TimedOut(String),
    /// The connection was lost.
    ConnectionLost(String),
    /// The response reports success, but its body cannot be parsed.
    InvalidResponse { why: String, request_id: Option<String> },
    /// The response has an error status.
    ErrorResponse { status: u16, retry_after: Option<Duration>, body: ErrorBody },
}

/// Converts a failure to the domain's error.
pub(crate) fn classify(error: RequestError, idempotency: Idempotency) -> ProviderError {
    let (kind, code, message, request_id) = match error {
        RequestError::NotSent(why) => (Unavailable, "connect".to_owned(), why, None),
        RequestError::TimedOut(why) => (idempotency.lost(), "timeout".to_owned(), why, None),
        RequestError::ConnectionLost(why) => (idempotency.lost(), "reset".to_owned(), why, None),
        RequestError::InvalidResponse { why, request_id } => {
            (idempotency.lost(), "invalid_response".to_owned(), why, request_id)
        }
        RequestError::ErrorResponse { status, retry_after, body } => {
            let error_type = body.error_type.as_deref();
            let kind = error_type
                .and_then(|error_type| kind_of_type(error_type, status, retry_after, idempotency))
                .filter(|kind| agrees_with_status(status, *kind))
                .unwrap_or_else(|| {
                    kind_of_status(status, error_type.is_some(), retry_after, idempotency)
                });
            let code = error_type.filter(|error_type| is_error_code(error_type));
            let code = code.map_or_else(|| format!("http_{status}"), ToOwned::to_owned);
            let message = body.error_message.unwrap_or_else(|| format!("HTTP {status}"));
            (kind, code, message, body.request_id)
        }
    };
    let request_id = request_id.filter(|id| is_request_id(id));
    ProviderError { kind, code, message: redact(&message), request_id }
}

/// Returns whether a kind agrees with the status. Only a 4xx response can blame the request or the
/// configuration; a server that fails knows nothing about either.
fn agrees_with_status(status: u16, kind: Kind) -> bool {
    let blames_client = kind.is_rejection() || kind == Misconfigured;
    (400..=499).contains(&status) || (500..=599).contains(&status) && !blames_client
}

/// Returns the kind of an error type; `None` if the status decides.
fn kind_of_type(
    error_type: &str,
    status: u16,
    after: Option<Duration>,
    idempotency: Idempotency,
) -> Option<Kind> {
    Some(match error_type {
        // An earlier invitation or another application created the identity, and it has logged in.
        "duplicate_email" | "user_already_invited" if status != 429 => AddressTaken,
        "unable_to_auth_magic_link" if status != 429 => LinkUsedOrExpired,
        "session_not_found" if status != 429 => SessionNotFound,
        // Waiting does not help: the user is locked out, or taken for a bot. And a test project that may
        // only mail its own domain rejects one address, not all of them.
        "user_lock_limit_reached" | "captcha_failed" | "billing_not_verified_for_email" => Rejected,
        "too_many_requests" => RateLimited(after),
        // Too few of the sent links led to a login.
        "too_few_tokens_authenticated" => BulkMailLimited(after),
        // Stytch reports the failure itself, so the call had no effect.
        "internal_server_error" | "server_unavailable" | "search_timeout" => Unavailable,
        "client_closed_request" => idempotency.lost(),
        "invalid_project_id_authentication"
        | "invalid_secret_authentication"
        | "unauthorized_credentials"
        | "wrong_stack_test"
        | "wrong_stack_live"
        | "unauthorized_project_id_test"
        | "unauthorized_project_id_live"
        | "live_id_used_in_test_environment"
        | "test_id_used_in_live_environment"
        | "invalid_project_id"
        | "project_not_found"
        | "organization_suspended"
        | "use_https"
        | "captcha_required"
        | "route_not_found"
        | "email_template_not_found"
        | "invalid_session_duration"
        | "invalid_session_duration_minutes" => Misconfigured,
        other if is_about_redirect_urls(other) => Misconfigured,
        _ => return None,
    })
}

/// Returns whether a code of an error says that Stytch does not mail to the address, so that only another
/// address can help.
pub fn refuses_address(code: &str) -> bool {
    matches!(
        code,
        "invalid_email"
            | "inactive_email"
            | "email_in_denylist"
            | "email_not_in_allowlist"
            | "invalid_email_sandbox"
            | "billing_not_verified_for_email"
    )
}

/// Matches `invalid_…_magic_link_url`, `no_match_for_provided_magic_link_url`, `no_…_redirect_urls_set` and
/// the like.
fn is_about_redirect_urls(error_type: &str) -> bool {
    error_type.ends_with("magic_link_url")
        || error_type.contains("redirect_url")
        || error_type == "query_params_do_not_match"
}

fn kind_of_status(
    status: u16,
    is_stytch: bool,
    after: Option<Duration>,
    idempotency: Idempotency,
) -> Kind {
    match status {
        429 => RateLimited(after),
        // A gateway gave up; Stytch may still have handled the request.
        408 | 499 | 502..=504 => idempotency.lost(),
        500..=599 if is_stytch => Unavailable,
        // Stytch never redirects, so another server answers at the base URL.
        300..=399 => Misconfigured,
        400..=499 => Rejected,
        // A server failure, or a status that does not exist.
        _ => idempotency.lost(),
    }
}

/// Returns whether an error type has the form of an error code. Error types become part of Guestlist's own
/// responses.
fn is_error_code(error_type: &str) -> bool {
    (1..=100).contains(&error_type.len())
        && error_type.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Returns whether a text has the form of a request id. Request ids are stored and shown to operators.
pub(crate) fn is_request_id(text: &str) -> bool {
    let is_id_char = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    (1..=MAX_ID_LENGTH).contains(&text.len()) && text.chars().all(is_id_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Option<Duration> = Some(Duration::from_secs(7));

    fn kinds(error: impl Fn() -> RequestError) -> [Kind; 2] {
        [Idempotency::Idempotent, Idempotency::NonIdempotent]
            .map(|idempotency| classify(error(), idempotency).kind)
    }

    fn refused(status: u16, error_type: Option<&str>) -> RequestError {
        let body = ErrorBody {
            error_type: error_type.map(ToOwned::to_owned),
            error_message: Some("no".to_owned()),
            request_id: Some("request-id-test-1".to_owned()),
        };
        RequestError::ErrorResponse { status, retry_after: AFTER, body }
    }

    #[test]
    fn every_stytch_error_type_has_a_kind_and_keeps_its_code() {
        for (status, kind, error_types) in [
            (429, RateLimited(AFTER), "too_many_requests"),
            (429, BulkMailLimited(AFTER), "too_few_tokens_authenticated"),
            (429, Rejected, "user_lock_limit_reached captcha_failed"),
            (401, Rejected, "user_lock_limit_reached"),
            (500, Unavailable, "internal_server_error"),
            (503, Unavailable, "server_unavailable"),
            (504, Unavailable, "search_timeout"),
            (400, Rejected, "invalid_email inactive_email invalid_expiration"),
            (400, AddressTaken, "duplicate_email user_already_invited"),
            (400, Rejected, "invalid_locale invalid_template_id bad_request metadata_too_large"),
            (400, Rejected, "metadata_too_many_keys metadata_invalid_format invalid_email_sandbox"),
            (400, Rejected, "billing_not_verified_for_email"),
            (400, Misconfigured, "no_match_for_provided_magic_link_url invalid_magic_link_url"),
            (400, Misconfigured, "invalid_login_magic_link_url invalid_signup_magic_link_url"),
            (400, Misconfigured, "invalid_invite_magic_link_url redirect_url_must_use_https"),
            (400, Misconfigured, "no_default_invite_redirect_url_set no_invite_redirect_urls_set"),
            (400, Misconfigured, "no_default_login_redirect_url_set no_login_redirect_urls_set"),
            (400, Misconfigured, "no_default_signup_redirect_url_set no_signup_redirect_urls_set"),
            (400, Misconfigured, "query_params_do_not_match no_wildcards_in_live_redirect_url"),
            (404, Misconfigured, "email_template_not_found route_not_found"),
            (400, Misconfigured, "invalid_project_id_authentication invalid_secret_authentication"),
            (401, Misconfigured, "unauthorized_credentials"),
            (400, Misconfigured, "wrong_stack_test wrong_stack_live"),
            (401, Misconfigured, "unauthorized_project_id_test unauthorized_project_id_live"),
            (400, Misconfigured, "live_id_used_in_test_environment"),
            (400, Misconfigured, "test_id_used_in_live_environment"),
            (403, Rejected, "email_in_denylist email_not_in_allowlist"),
            (403, Misconfigured, "organization_suspended use_https captcha_required"),
            (401, Rejected, "attribute_mismatch pkce_mismatch"),
            (401, LinkUsedOrExpired, "unable_to_auth_magic_link"),
            (404, Rejected, "magic_link_not_found user_not_found"),
            (404, SessionNotFound, "session_not_found"),
            (404, Rejected, "email_not_found"),
            (400, Rejected, "invalid_token pkce_expected_code_verifier"),
            (400, Rejected, "invalid_session_token unable_to_parse_session_jwt invalid_session_id"),
            (400, Rejected, "no_session_arguments too_many_session_arguments"),
            (400, Misconfigured, "invalid_session_duration_minutes invalid_session_duration"),
            (400, Rejected, "an_unknown_type"),
            (429, RateLimited(AFTER), "an_unknown_type"),
            (500, Unavailable, "an_unknown_type"),
        ] {
            for error_type in error_types.split(' ') {
                let error = || refused(status, Some(error_type));
                assert_eq!(kinds(error), [kind; 2], "{status} {error_type}");
                let error = classify(error(), Idempotency::NonIdempotent);
                assert_eq!(error.code, error_type);
                assert_eq!(error.message, "no");
                assert_eq!(error.request_id.as_deref(), Some("request-id-test-1"));
            }
        }
    }

    #[test]
    fn a_lost_answer_is_doubtful_if_the_call_must_not_be_repeated() {
        assert_eq!(kinds(|| refused(499, Some("client_closed_request"))), [Unavailable, Doubtful]);
        assert_eq!(kinds(|| RequestError::TimedOut(String::new())), [Unavailable, Doubtful]);
        assert_eq!(kinds(|| RequestError::ConnectionLost(String::new())), [Unavailable, Doubtful]);
        let unread = || RequestError::InvalidResponse { why: String::new(), request_id: None };
        assert_eq!(kinds(unread), [Unavailable, Doubtful]);
        assert_eq!(kinds(|| RequestError::NotSent(String::new())), [Unavailable; 2]);
    }

    #[test]
    fn a_response_without_an_error_type_is_classified_by_its_status() {
        for (status, idempotent, non_idempotent) in [
            (302, Misconfigured, Misconfigured),
            (400, Rejected, Rejected),
            (403, Rejected, Rejected),
            (408, Unavailable, Doubtful),
            (429, RateLimited(AFTER), RateLimited(AFTER)),
            (500, Unavailable, Doubtful),
            (502, Unavailable, Doubtful),
            (503, Unavailable, Doubtful),
            (504, Unavailable, Doubtful),
            (101, Unavailable, Doubtful),
            (999, Unavailable, Doubtful),
            (520, Unavailable, Doubtful),
        ] {
            assert_eq!(kinds(|| refused(status, None)), [idempotent, non_idempotent], "{status}");
            let code = classify(refused(status, None), Idempotency::NonIdempotent).code;
            assert_eq!(code, format!("http_{status}"));
        }
    }

    #[test]
    fn an_error_type_that_contradicts_the_status_is_ignored() {
        for (status, error_type, kind) in [
            (500, "unauthorized_credentials", Unavailable),
            (500, "user_lock_limit_reached", Unavailable),
            (503, "route_not_found", Unavailable),
            (503, "too_many_requests", RateLimited(AFTER)),
            (500, "session_not_found", Unavailable),
            (400, "server_unavailable", Unavailable),
            (302, "too_many_requests", Misconfigured),
            (302, "invalid_email", Misconfigured),
            (999, "unauthorized_credentials", Unavailable),
        ] {
            let error = classify(refused(status, Some(error_type)), Idempotency::Idempotent);
            assert_eq!(error.kind, kind, "{status} {error_type}");
        }
    }

    #[test]
    fn a_malformed_request_id_is_dropped() {
        let long = "x".repeat(129);
        for (text, is_kept) in [
            ("request-id-test-b05c992f-ebdc-489d-a754-c7e70ba13141", true),
            ("", false),
            ("ada@example.com", false),
            ("two words", false),
            (long.as_str(), false),
        ] {
            let mut error = refused(400, None);
            if let RequestError::ErrorResponse { body, .. } = &mut error {
                body.request_id = Some(text.to_owned());
            }
            let error = classify(error, Idempotency::NonIdempotent);
            assert_eq!(error.request_id.as_deref(), is_kept.then_some(text), "{text:?}");
        }
    }

    #[test]
    fn a_malformed_error_type_is_replaced_by_the_status() {
        let long = "x".repeat(101);
        for error_type in ["", "Not A Word", "<b>", "ada@example.com", long.as_str()] {
            let error = classify(refused(400, Some(error_type)), Idempotency::NonIdempotent);
            assert_eq!(error.code, "http_400", "{error_type:?}");
        }
    }
}
