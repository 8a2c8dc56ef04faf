//! The session's cookies, and the hint that outlives it.

use axum::http::{HeaderMap, HeaderValue};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guestlist_domain::{Email, Session, Tokens};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::site::Site;

/// The session token.
pub const SESSION: &str = "stytch_session";
/// The session JWT.
pub const SESSION_JWT: &str = "stytch_session_jwt";
/// The last address that came in by this browser, and until when.
pub const HINT: &str = "guestlist_hint";

const HINT_DAYS: i64 = 180;

/// What a browser remembers of the person who came in by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// Their address, to fill into the login form.
    #[serde(rename = "e")]
    pub email: String,
    /// When their session ends by itself, in seconds of Unix time; none once they have left.
    #[serde(rename = "x")]
    pub expires_at: Option<i64>,
}

impl Hint {
    /// What the browser remembers. Anything can stand there: it fills a form, nothing more.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let jar = CookieJar::from_headers(headers);
        let bytes = URL_SAFE_NO_PAD.decode(jar.get(HINT)?.value()).ok()?;
        let hint: Self = serde_json::from_slice(&bytes).ok()?;
        Email::parse(&hint.email).is_ok().then_some(hint)
    }

    /// Whether their session has ended by itself.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now.as_second())
    }
}

/// The cookies of somebody who has just come in.
pub fn begin(
    site: &Site,
    email: &Email,
    session: &Session,
    tokens: &Tokens,
    now: Timestamp,
) -> Vec<HeaderValue> {
    let left = session.expires_at.duration_since(now).as_secs().max(0);
    let hint =
        Hint { email: email.as_str().to_owned(), expires_at: Some(session.expires_at.as_second()) };
    [
        cookie(site, SESSION, tokens.session_token.clone(), left),
        cookie(site, SESSION_JWT, tokens.session_jwt.clone(), left),
        remember(site, &hint),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The cookie of a new JWT in a session that goes on.
pub fn refreshed(site: &Site, session: &Session, jwt: &str, now: Timestamp) -> Option<HeaderValue> {
    let left = session.expires_at.duration_since(now).as_secs().max(0);
    cookie(site, SESSION_JWT, jwt.to_owned(), left)
}

/// Clears the session's cookies. The hint stays.
pub fn clear(site: &Site) -> Vec<HeaderValue> {
    [SESSION, SESSION_JWT]
        .into_iter()
        .filter_map(|name| cookie(site, name, String::new(), 0))
        .collect()
}

/// Keeps the address of somebody who left, but not that a session of theirs is about to end.
pub fn left(site: &Site, headers: &HeaderMap) -> Option<HeaderValue> {
    let hint = Hint { expires_at: None, ..Hint::read(headers)? };
    remember(site, &hint)
}

fn remember(site: &Site, hint: &Hint) -> Option<HeaderValue> {
    let json = serde_json::to_vec(hint).ok()?;
    cookie(site, HINT, URL_SAFE_NO_PAD.encode(json), HINT_DAYS * 24 * 60 * 60)
}

fn cookie(site: &Site, name: &'static str, value: String, max_age: i64) -> Option<HeaderValue> {
    // `Max-Age` is written by hand: the cookie crate's duration would be a second crate for time.
    let mut cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(site.is_secure());
    if let Some(domain) = &site.cookie_domain {
        cookie = cookie.domain(domain.clone());
    }
    HeaderValue::try_from(format!("{}; Max-Age={max_age}", cookie.build())).ok()
}
