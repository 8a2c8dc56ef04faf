//! The session cookies, and a hint cookie that outlives them.

use axum::http::{HeaderMap, HeaderValue, header};
use axum_extra::extract::cookie::{Cookie, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guestlist_domain::flows::VerifiedSession;
use guestlist_domain::{Email, Session, Tokens};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::SiteConfig;

/// The cookie of the session token.
pub const SESSION: SessionCookie =
    SessionCookie { plain: "stytch_session", host: "__Host-stytch_session" };
/// The cookie of the session JWT.
pub const SESSION_JWT: SessionCookie =
    SessionCookie { plain: "stytch_session_jwt", host: "__Host-stytch_session_jwt" };
const HINT: &str = "guestlist_hint";

const HINT_DAYS: i64 = 180;

/// A session cookie, under one of two names.
///
/// Browsers accept the `__Host-` prefix only with `Secure`, `Path=/` and without `Domain`, so a
/// sibling host can't set a cookie of that name for this host.
#[derive(Debug, Clone, Copy)]
pub struct SessionCookie {
    plain: &'static str,
    host: &'static str,
}

impl SessionCookie {
    /// Returns the name under which the cookie is set.
    pub fn name(self, site: &SiteConfig) -> &'static str {
        if is_host_only(site) { self.host } else { self.plain }
    }

    /// Returns the cookie's values in the order of the request. With `COOKIE_DOMAIN`, a prefixed
    /// cookie set before it was configured counts too; where the prefix is used, a plain one is
    /// ignored.
    fn values(self, headers: &HeaderMap, site: &SiteConfig) -> Vec<String> {
        let mut values =
            if site.is_secure() { cookie_values(headers, self.host) } else { Vec::new() };
        if !is_host_only(site) {
            values.extend(cookie_values(headers, self.plain));
        }
        values
    }

    /// Sets the cookie, and clears the one of the other name.
    fn set(self, site: &SiteConfig, value: String, max_age: i64) -> Vec<HeaderValue> {
        let other = if is_host_only(site) { self.plain } else { self.host };
        let other = site.is_secure().then(|| build(site, other, None, String::new(), 0)).flatten();
        let set = set_cookie(site, self.name(site), value, max_age);
        other.into_iter().chain(set).collect()
    }
}

/// Returns whether session cookies carry the `__Host-` prefix.
fn is_host_only(site: &SiteConfig) -> bool {
    site.is_secure() && site.cookie_domain.is_none()
}

/// What a browser remembers about its last user, after the session cookies have expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginHint {
    /// The user's address, to prefill the login form.
    #[serde(rename = "e")]
    pub email: String,
    /// The session's expiry in Unix seconds; `None` after logging out.
    #[serde(rename = "x")]
    pub expires_at: Option<i64>,
}

impl LoginHint {
    /// Reads the hint. It is not authenticated and may only be used to prefill forms and to choose
    /// messages.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(cookie_values(headers, HINT).pop()?).ok()?;
        let hint: Self = serde_json::from_slice(&bytes).ok()?;
        Email::parse(&hint.email).is_ok().then_some(hint)
    }

    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now.as_second())
    }

    fn set(&self, site: &SiteConfig) -> Vec<HeaderValue> {
        let Ok(json) = serde_json::to_vec(self) else { return Vec::new() };
        set_cookie(site, HINT, URL_SAFE_NO_PAD.encode(json), HINT_DAYS * 24 * 60 * 60)
    }
}

pub fn start(
    site: &SiteConfig,
    email: &Email,
    session: &Session,
    tokens: &Tokens,
    now: Timestamp,
) -> Vec<HeaderValue> {
    let max_age = session.expires_at.duration_since(now).as_secs().max(0);
    let expires_at = Some(session.expires_at.as_second());
    let hint = LoginHint { email: email.as_str().to_owned(), expires_at };
    let token = SESSION.set(site, tokens.session_token.clone(), max_age);
    let jwt = SESSION_JWT.set(site, tokens.session_jwt.clone(), max_age);
    [token, jwt, hint.set(site)].concat()
}

/// Sets the cookies of a session that continues: its renewed JWT, if there is one. The token moves
/// to `COOKIE_DOMAIN` along with a renewed JWT, or when the browser sent several cookies.
pub fn renew(
    site: &SiteConfig,
    verified: &VerifiedSession,
    presented: &SessionCookies,
    has_several: bool,
    now: Timestamp,
) -> Vec<HeaderValue> {
    let max_age = verified.session.expires_at.duration_since(now).as_secs().max(0);
    let moves = site.cookie_domain.is_some() && (verified.is_renewed || has_several);
    let token = presented.token.clone().filter(|_| moves);
    let jwt = verified.jwt.clone().filter(|_| moves || verified.is_renewed);
    [(SESSION, token), (SESSION_JWT, jwt)]
        .into_iter()
        .filter_map(|(cookie, value)| value.map(|value| cookie.set(site, value, max_age)))
        .flatten()
        .collect()
}

/// Clears the session cookies, and keeps the hint.
pub fn clear(site: &SiteConfig) -> Vec<HeaderValue> {
    [SESSION, SESSION_JWT].map(|cookie| cookie.set(site, String::new(), 0)).concat()
}

/// Clears the session cookies after logging out. The hint keeps the address, but not the expiry.
pub fn log_out(site: &SiteConfig, headers: &HeaderMap) -> Vec<HeaderValue> {
    let hint = LoginHint::read(headers).map(|hint| LoginHint { expires_at: None, ..hint });
    let hint = hint.map(|hint| hint.set(site)).unwrap_or_default();
    [clear(site), hint].concat()
}

/// Clears the session cookies and the hint, including those set by a sibling host for a shared
/// domain. With the `__Host-` prefix no sibling can set them, and a plain cookie of such a domain
/// may belong to another application.
pub fn clear_all(site: &SiteConfig) -> Vec<HeaderValue> {
    let mut cleared = [clear(site), set_cookie(site, HINT, String::new(), 0)].concat();
    if is_host_only(site) {
        return cleared;
    }
    for domain in shared_domains(site) {
        let names = [SESSION.plain, SESSION_JWT.plain, HINT];
        let each = names.map(|name| build(site, name, Some(domain), String::new(), 0));
        cleared.extend(each.into_iter().flatten());
    }
    cleared
}

/// Returns the public URL's host and its parent domains, down to two labels. Browsers ignore
/// cookies for a public suffix.
fn shared_domains(site: &SiteConfig) -> Vec<&str> {
    let Some(mut domain) = site.public_url.domain() else { return Vec::new() };
    let mut domains = Vec::new();
    while let Some((_, parent)) = domain.split_once('.') {
        domains.push(domain);
        domain = parent;
    }
    domains
}

/// Sets a cookie. If it is shared by `COOKIE_DOMAIN`, the host-only cookie of the same name is
/// cleared, since a browser would send that one too, and first. The clearing header comes first
/// for clients that store cookies by name only.
fn set_cookie(
    site: &SiteConfig,
    name: &'static str,
    value: String,
    max_age: i64,
) -> Vec<HeaderValue> {
    let domain = site.cookie_domain.as_deref();
    let host_only = domain.and_then(|_| build(site, name, None, String::new(), 0));
    host_only.into_iter().chain(build(site, name, domain, value, max_age)).collect()
}

fn build(
    site: &SiteConfig,
    name: &'static str,
    domain: Option<&str>,
    value: String,
    max_age: i64,
) -> Option<HeaderValue> {
    let mut cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(site.is_secure());
    if let Some(domain) = domain {
        cookie = cookie.domain(domain.to_owned());
    }
    // `Max-Age` is formatted here because the cookie crate's duration type needs the `time` crate.
    HeaderValue::try_from(format!("{}; Max-Age={max_age}", cookie.build())).ok()
}

/// The token, the JWT, or both, of one session.
pub struct SessionCookies {
    pub token: Option<String>,
    pub jwt: Option<String>,
}

/// The most cookies of one name that a browser can hold without interference: the host-only one,
/// and those of the current and the previous `COOKIE_DOMAIN`.
pub const MAX_PER_NAME: usize = 3;

/// Returns the sessions that a browser presents, likeliest first.
///
/// A browser may hold several cookies of one name for several domains. It does not say which is
/// which, but sends them in the order of their creation, so tokens and JWTs are paired from the
/// last backwards.
pub fn session_cookies(headers: &HeaderMap, site: &SiteConfig) -> Vec<SessionCookies> {
    let (tokens, jwts) = (SESSION.values(headers, site), SESSION_JWT.values(headers, site));
    // An unpaired JWT goes with the oldest token: by itself it could admit a different user.
    let nth_last = |values: &[String], n: usize| {
        let at = values.len().saturating_sub(n + 1);
        values.get(at).cloned()
    };
    let count = tokens.len().max(jwts.len());
    (0..count)
        .map(|n| SessionCookies { token: nth_last(&tokens, n), jwt: nth_last(&jwts, n) })
        .collect()
}

/// Returns the distinct values of the cookies of a name. The header is read as bytes and only ASCII
/// white space is trimmed: a malformed cookie of another application must neither hide one of
/// Guestlist's nor be mistaken for it.
fn cookie_values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut values: Vec<String> = Vec::new();
    for pair in pairs {
        let Some(at) = pair.iter().position(|byte| *byte == b'=') else { continue };
        if pair[..at].trim_ascii() != name.as_bytes() {
            continue;
        }
        let value = str::from_utf8(pair[at + 1..].trim_ascii()).unwrap_or_default();
        if !value.is_empty() && !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
        }
    }
    values
}
