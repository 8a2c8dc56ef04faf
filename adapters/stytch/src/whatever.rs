//! What holds of whatever Stytch, or somebody in its place, sends. Property tests and the fuzz
//! targets try to break it: each function panics if they do.

use std::time::Duration;

use guestlist_domain::{IdentityPage, Profile, ProviderError, ProviderErrorKind as Kind};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation, decode};
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    answers::{Authenticated, Done, Found, Jwks, MAX_ID, Sent},
    client::{judge, retry_after},
    error::{Repeat, classify, is_request_id},
    jwt::{Claims, key_id},
    keys::key,
    profiles::{Described, Listed},
    searches::FoundPage,
    webhooks::{WebhookSecret, Webhooks},
};

/// 2026-11-23T10:00:00Z.
const NOW: i64 = 1_795_428_000;

/// An answer to any call, as text: the status, a line with how long to wait, and the body.
pub fn answer(text: &[u8]) {
    let mut parts = text.splitn(3, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let (status, wait, body) = (next(), next(), next());
    let status = std::str::from_utf8(status).ok().and_then(|status| status.parse().ok());
    if let Some(status) = status {
        any_answer(status, wait, body);
    }
}

/// The same, in its parts.
pub fn any_answer(status: u16, wait: &[u8], body: &[u8]) {
    let (Ok(status), Ok(wait)) = (StatusCode::from_u16(status), HeaderValue::from_bytes(wait))
    else {
        return;
    };
    let wait = retry_after(&HeaderMap::from_iter([(RETRY_AFTER, wait)]), now());
    assert!(wait.unwrap_or_default() <= Duration::from_hours(24));
    let answer = Answer { status, wait, body };
    answer.read(|Done {}| true);
    answer.read(|sent: Sent| is_id(&sent.user_id));
    answer.read(is_whole);
    answer.read(|found: Found| {
        let FoundPage { identities, next } = found.into();
        next.as_deref() != Some("") && identities.values().all(|one| is_id(&one.provider_user_id))
    });
    answer.read(|listed: Listed| {
        let IdentityPage { profiles, next } = listed.into();
        let all: Option<Value> = serde_json::from_slice(body).ok();
        let all = all.and_then(|all| all["results"].as_array().map(Vec::len));
        let is_full = all.is_none_or(|all| all == profiles.len());
        is_full && next.as_deref() != Some("") && profiles.iter().all(is_somebody)
    });
    answer.read(|described: Described| is_somebody(&described.into()));
    answer.read(|jwks: Jwks| jwks.keys().filter_map(key).count() < body.len());
}

/// The public keys, and on the line after them a JWT that somebody shows.
pub fn keys(text: &[u8]) {
    let mut lines = text.splitn(2, |byte| *byte == b'\n');
    let jwks: Result<Jwks, _> = serde_json::from_slice(lines.next().unwrap_or_default());
    let jwt = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let validation = Validation::new(Algorithm::RS256);
    for (_, key) in jwks.into_iter().flat_map(Jwks::keys).filter_map(key) {
        let _ = decode::<Claims>(&*jwt, &key, &validation);
    }
}

/// A JWT that somebody shows, or what one says whose signature is good.
pub fn jwt(text: &[u8]) {
    if let Some(kid) = key_id(&String::from_utf8_lossy(text)) {
        assert!(kid.len() < text.len());
    }
    let Ok(claims) = serde_json::from_slice::<Claims>(text) else { return };
    if let Some(claims) = claims.judged(now()) {
        assert!(is_id(&claims.provider_session_id));
        let all: Result<Value, _> = serde_json::from_slice(text);
        let exp = all.ok().and_then(|all| all["exp"].as_i64());
        assert!(exp.is_none_or(|exp| exp == claims.expires_at.as_second()));
    }
}

/// What a webhook says that is signed.
pub fn webhook(text: &[u8]) {
    let Ok(secret) = WebhookSecret::parse("whsec_c2VjcmV0") else { return };
    match Webhooks::new(secret, "project-test-1").news("msg_1", text) {
        Ok(None) => {}
        Ok(Some(news)) => {
            assert!(is_id(&news.provider_user_id));
            let is_theirs = |profile: Profile| profile.provider_user_id == news.provider_user_id;
            assert!(news.profile.is_none_or(is_theirs));
        }
        Err(error) => assert!(error.to_string().len() < 100, "{error}"),
    }
}

struct Answer<'a> {
    status: StatusCode,
    wait: Option<Duration>,
    body: &'a [u8],
}

impl Answer<'_> {
    /// Reads it as the answer to one call, which is as it should be, or an error that is.
    fn read<A: DeserializeOwned>(&self, is_good: impl Fn(A) -> bool) {
        for repeat in [Repeat::Harmless, Repeat::Felt] {
            match judge(self.status, self.wait, Ok(self.body.to_vec())) {
                Ok(read) => assert!(self.status.is_success() && is_good(read)),
                Err(trouble) => self.expect(&classify(trouble, repeat), repeat),
            }
        }
    }

    fn expect(&self, error: &ProviderError, repeat: Repeat) {
        let is_lost = match repeat {
            Repeat::Harmless => error.kind == Kind::Unavailable,
            Repeat::Felt => error.kind == Kind::Doubtful,
        };
        let is_doubt_felt = error.kind != Kind::Doubtful || is_lost;
        let goes_with_status = match self.status.as_u16() {
            200..=299 => is_lost && error.code == "bad_answer",
            300..=399 => error.kind == Kind::Misconfigured,
            400..=499 => is_doubt_felt,
            500..=599 => {
                is_doubt_felt && !error.kind.is_rejection() && error.kind != Kind::Misconfigured
            }
            _ => is_lost,
        };
        assert!(goes_with_status, "{} is {error:?}", self.status);
        let is_wait = |wait| matches!(error.kind, Kind::RateLimited(said) | Kind::BulkMailLimited(said) if said == wait);
        assert!(is_wait(self.wait) || !error.kind.is_rate_limit());
        assert!(is_code(&error.code), "{:?}", error.code);
        assert!(error.message.chars().count() <= 300);
        assert!(!error.message.contains(|c: char| c == '@' || c.is_control()), "{error:?}");
        assert!(error.request_id.as_deref().is_none_or(is_request_id), "{error:?}");
    }
}

fn is_whole(answer: Authenticated) -> bool {
    let vouched = answer.vouched(now());
    let texts = [vouched.tokens.session_token, vouched.tokens.session_jwt];
    is_id(&vouched.session.provider_session_id)
        && is_id(&vouched.session.provider_user_id)
        && texts.iter().all(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()))
}

fn is_somebody(profile: &Profile) -> bool {
    is_id(&profile.provider_user_id)
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_code(code: &str) -> bool {
    !code.is_empty()
        && code.len() <= 100
        && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap_or(Timestamp::UNIX_EPOCH)
}
