//! Invariants that hold for any input from Stytch, or from anybody in its place. Property tests and
//! fuzz targets call these functions, which panic if an invariant is violated.

use std::time::Duration;

use guestlist_domain::{IdentityPage, Profile, ProviderError, ProviderErrorKind as Kind};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation, decode};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::client::{interpret, retry_after};
use crate::http::error::{Idempotency, classify, is_request_id};
use crate::http::fields::MAX_ID_LENGTH;
use crate::http::responses::{
    AuthenticateResponse, EmptyResponse, JwksResponse, SearchPage, SearchResponse, SendResponse,
};
use crate::http::user_responses::{ListResponse, UserResponse};
use crate::jwt::keys::decoding_key;
use crate::jwt::{Claims, key_id};
use crate::webhook::{WebhookSecret, WebhookVerifier};

/// 2026-11-23T10:00:00Z.
const NOW_SECONDS: i64 = 1_795_428_000;

/// Checks a response given as lines: the status, the `Retry-After` header, and the body.
pub fn check_response_text(text: &[u8]) {
    let mut parts = text.splitn(3, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let (status, wait, body) = (next(), next(), next());
    let status = std::str::from_utf8(status).ok().and_then(|status| status.parse().ok());
    if let Some(status) = status {
        check_response(status, wait, body);
    }
}

/// Checks a response, parsed as the response to each kind of request.
pub fn check_response(status: u16, wait: &[u8], body: &[u8]) {
    let (Ok(status), Ok(wait)) = (StatusCode::from_u16(status), HeaderValue::from_bytes(wait))
    else {
        return;
    };
    let wait = retry_after(&HeaderMap::from_iter([(RETRY_AFTER, wait)]), now());
    assert!(wait.unwrap_or_default() <= Duration::from_hours(24));
    let response = Response { status, wait, body };
    response.check(|EmptyResponse {}| true);
    response.check(|sent: SendResponse| is_id(&sent.user_id));
    response.check(is_complete);
    response.check(|found: SearchResponse| {
        let SearchPage { identities, next } = found.into();
        next.as_deref() != Some("")
            && identities.values().all(|found| is_id(&found.provider_user_id))
    });
    response.check(|list: ListResponse| {
        let IdentityPage { profiles, next } = list.into();
        let parsed: Option<Value> = serde_json::from_slice(body).ok();
        let count = parsed.and_then(|parsed| parsed["results"].as_array().map(Vec::len));
        let is_complete = count.is_none_or(|count| count == profiles.len());
        is_complete && next.as_deref() != Some("") && profiles.iter().all(has_id)
    });
    response.check(|user: UserResponse| has_id(&user.into()));
    response.check(|jwks: JwksResponse| jwks.keys().filter_map(decoding_key).count() < body.len());
}

/// Checks a JWKS on the first line with a JWT on the second.
pub fn check_keys(text: &[u8]) {
    let mut lines = text.splitn(2, |byte| *byte == b'\n');
    let jwks: Result<JwksResponse, _> = serde_json::from_slice(lines.next().unwrap_or_default());
    let jwt = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let validation = Validation::new(Algorithm::RS256);
    for (_, key) in jwks.into_iter().flat_map(JwksResponse::keys).filter_map(decoding_key) {
        let _ = decode::<Claims>(&*jwt, &key, &validation);
    }
}

/// Checks an encoded JWT, or the claims of one with a valid signature.
pub fn check_jwt(text: &[u8]) {
    if let Some(kid) = key_id(&String::from_utf8_lossy(text)) {
        assert!(kid.len() < text.len());
    }
    let Ok(claims) = serde_json::from_slice::<Claims>(text) else { return };
    if let Some(claims) = claims.verify(now()) {
        assert!(is_id(&claims.provider_session_id));
        let all: Result<Value, _> = serde_json::from_slice(text);
        let exp = all.ok().and_then(|all| all["exp"].as_i64());
        assert!(exp.is_none_or(|exp| exp == claims.expires_at.as_second()));
    }
}

/// Checks the body of a webhook with a valid signature.
pub fn check_webhook(text: &[u8]) {
    let Ok(secret) = WebhookSecret::parse("whsec_c2VjcmV0") else { return };
    match WebhookVerifier::new(secret, "project-test-1").parse("msg_1", text) {
        Ok(None) => {}
        Ok(Some(event)) => {
            assert!(is_id(&event.provider_user_id));
            let is_same_user =
                |profile: Profile| profile.provider_user_id == event.provider_user_id;
            assert!(event.profile.is_none_or(is_same_user));
        }
        Err(error) => assert!(error.to_string().len() < 100, "{error}"),
    }
}

struct Response<'a> {
    status: StatusCode,
    wait: Option<Duration>,
    body: &'a [u8],
}

impl Response<'_> {
    /// Checks the response to one kind of request: it is valid, or a valid error.
    fn check<T: DeserializeOwned>(&self, is_valid: impl Fn(T) -> bool) {
        for idempotency in [Idempotency::Idempotent, Idempotency::NonIdempotent] {
            match interpret(self.status, self.wait, Ok(self.body.to_vec())) {
                Ok(parsed) => assert!(self.status.is_success() && is_valid(parsed)),
                Err(error) => self.check_error(&classify(error, idempotency), idempotency),
            }
        }
    }

    fn check_error(&self, error: &ProviderError, idempotency: Idempotency) {
        let is_lost = match idempotency {
            Idempotency::Idempotent => error.kind == Kind::Unavailable,
            Idempotency::NonIdempotent => error.kind == Kind::Doubtful,
        };
        let is_doubt_allowed = error.kind != Kind::Doubtful || is_lost;
        let matches_status = match self.status.as_u16() {
            200..=299 => is_lost && error.code == "invalid_response",
            300..=399 => error.kind == Kind::Misconfigured,
            400..=499 => is_doubt_allowed,
            500..=599 => {
                is_doubt_allowed && !error.kind.is_rejection() && error.kind != Kind::Misconfigured
            }
            _ => is_lost,
        };
        assert!(matches_status, "{} is {error:?}", self.status);
        let is_wait = |wait| matches!(error.kind, Kind::RateLimited(after) | Kind::BulkMailLimited(after) if after == wait);
        assert!(is_wait(self.wait) || !error.kind.is_rate_limit());
        assert!(is_code(&error.code), "{:?}", error.code);
        assert!(error.message.chars().count() <= 300);
        assert!(!error.message.contains(|c: char| c == '@' || c.is_control()), "{error:?}");
        assert!(error.request_id.as_deref().is_none_or(is_request_id), "{error:?}");
    }
}

fn is_complete(response: AuthenticateResponse) -> bool {
    let authenticated = response.into_session(now());
    let tokens = [authenticated.tokens.session_token, authenticated.tokens.session_jwt];
    let is_token = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    is_id(&authenticated.session.provider_session_id)
        && is_id(&authenticated.session.provider_user_id)
        && tokens.iter().all(is_token)
}

fn has_id(profile: &Profile) -> bool {
    is_id(&profile.provider_user_id)
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_code(code: &str) -> bool {
    !code.is_empty()
        && code.len() <= 100
        && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW_SECONDS).unwrap_or(Timestamp::UNIX_EPOCH)
}
