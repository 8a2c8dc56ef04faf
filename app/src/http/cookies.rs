//! The session's cookies, and the hint that outlives it.

use axum::http::{HeaderMap, HeaderValue, header};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guestlist_domain::flows::Admitted;
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
    let token = cookie(site, SESSION, tokens.session_token.clone(), left);
    let jwt = cookie(site, SESSION_JWT, tokens.session_jwt.clone(), left);
    [token, jwt, remember(site, &hint)].concat()
}

/// The cookies of a session that goes on: of its new JWT, if that is one. A session that began
/// before `COOKIE_DOMAIN` was set moves there as a whole; so does one of which the browser shows
/// `several`.
pub fn go_on(
    site: &Site,
    admitted: &Admitted,
    shown: &Shown,
    several: bool,
    now: Timestamp,
) -> Vec<HeaderValue> {
    let left = admitted.session.expires_at.duration_since(now).as_secs().max(0);
    let moves = site.cookie_domain.is_some() && (admitted.is_renewed || several);
    let token = shown.token.clone().filter(|_| moves);
    let jwt = admitted.jwt.clone().filter(|_| moves || admitted.is_renewed);
    [(SESSION, token), (SESSION_JWT, jwt)]
        .into_iter()
        .flat_map(|(name, value)| {
            value.into_iter().flat_map(|value| cookie(site, name, value, left))
        })
        .collect()
}

/// Clears the session's cookies. The hint stays.
pub fn clear(site: &Site) -> Vec<HeaderValue> {
    [SESSION, SESSION_JWT].map(|name| cookie(site, name, String::new(), 0)).concat()
}

/// Keeps the address of somebody who left, but not that a session of theirs is about to end.
pub fn left(site: &Site, headers: &HeaderMap) -> Vec<HeaderValue> {
    let hint = Hint::read(headers).map(|hint| Hint { expires_at: None, ..hint });
    hint.map(|hint| remember(site, &hint)).unwrap_or_default()
}

fn remember(site: &Site, hint: &Hint) -> Vec<HeaderValue> {
    let Ok(json) = serde_json::to_vec(hint) else { return Vec::new() };
    cookie(site, HINT, URL_SAFE_NO_PAD.encode(json), HINT_DAYS * 24 * 60 * 60)
}

/// A cookie. One that is shared with siblings replaces that of the host alone, which a browser would
/// send along, and first, if it was there before `COOKIE_DOMAIN` was set. That one goes before, for
/// whoever keeps cookies by their names alone.
fn cookie(site: &Site, name: &'static str, value: String, max_age: i64) -> Vec<HeaderValue> {
    // `Max-Age` is written by hand: the cookie crate's duration would be a second crate for time.
    let write = |domain: Option<&String>, value: String, max_age: i64| {
        let mut cookie = Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(site.is_secure());
        if let Some(domain) = domain {
            cookie = cookie.domain(domain.clone());
        }
        HeaderValue::try_from(format!("{}; Max-Age={max_age}", cookie.build())).ok()
    };
    let domain = site.cookie_domain.as_ref();
    let alone = domain.and_then(|_| write(None, String::new(), 0));
    alone.into_iter().chain(write(domain, value, max_age)).collect()
}

/// A session's secrets, as a browser shows them: the token, the JWT, or both.
pub struct Shown {
    pub token: Option<String>,
    pub jwt: Option<String>,
}

/// What a browser shows of its session, likeliest first.
///
/// It holds several cookies of a name if they are of several domains, and does not say which is
/// whose; it sends them in the order in which they came to be. Those that came last belong
/// together, and so on backwards.
pub fn shown(headers: &HeaderMap) -> Vec<Shown> {
    const MOST: usize = 3;
    let (tokens, jwts) = (all(headers, SESSION), all(headers, SESSION_JWT));
    let nth = |values: &[String], n: usize| {
        let at = values.len().saturating_sub(n + 1);
        values.get(at).cloned()
    };
    let several = tokens.len().max(jwts.len()).min(MOST);
    (0..several).map(|n| Shown { token: nth(&tokens, n), jwt: nth(&jwts, n) }).collect()
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
    let values = cookies.filter(|cookie| cookie.name() == name).map(|c| c.value().to_owned());
    values.filter(|value| !value.is_empty()).collect()
}
