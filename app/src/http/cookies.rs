//! The session's cookies, and the hint that outlives it.

use axum::http::{HeaderMap, HeaderValue, header};
use axum_extra::extract::cookie::{Cookie, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guestlist_domain::flows::Admitted;
use guestlist_domain::{Email, Session, Tokens};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::SiteConfig;

/// The session token's cookie.
pub const SESSION: Named = Named { plain: "stytch_session", host: "__Host-stytch_session" };
/// The session JWT's cookie.
pub const SESSION_JWT: Named =
    Named { plain: "stytch_session_jwt", host: "__Host-stytch_session_jwt" };
/// The last address that came in by this browser, and until when.
pub const HINT: &str = "guestlist_hint";

const HINT_DAYS: i64 = 180;

/// The two names that a cookie of the session can have.
///
/// Browsers accept the `__Host-` prefix only with `Secure`, `Path=/` and no `Domain`, so no sibling
/// host can set a cookie of that name for ours.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    plain: &'static str,
    host: &'static str,
}

impl Named {
    /// The name under which the cookie is set.
    pub fn name(self, site: &SiteConfig) -> &'static str {
        if is_host_only(site) { self.host } else { self.plain }
    }

    /// The values that a browser shows, in its order. A cookie from before `COOKIE_DOMAIN` was set
    /// counts too; a plain one does not where the prefix is used.
    fn values(self, headers: &HeaderMap, site: &SiteConfig) -> Vec<String> {
        let mut values = if site.is_secure() { all(headers, self.host) } else { Vec::new() };
        if !is_host_only(site) {
            values.extend(all(headers, self.plain));
        }
        values
    }

    /// Sets the cookie, and clears the one of the other name.
    fn set(self, site: &SiteConfig, value: String, max_age: i64) -> Vec<HeaderValue> {
        let other = if is_host_only(site) { self.plain } else { self.host };
        let other = site.is_secure().then(|| write(site, other, None, String::new(), 0)).flatten();
        let set = cookie(site, self.name(site), value, max_age);
        other.into_iter().chain(set).collect()
    }
}

/// Whether the session's cookies carry the `__Host-` prefix.
fn is_host_only(site: &SiteConfig) -> bool {
    site.is_secure() && site.cookie_domain.is_none()
}

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
        let bytes = URL_SAFE_NO_PAD.decode(all(headers, HINT).pop()?).ok()?;
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
    site: &SiteConfig,
    email: &Email,
    session: &Session,
    tokens: &Tokens,
    now: Timestamp,
) -> Vec<HeaderValue> {
    let left = session.expires_at.duration_since(now).as_secs().max(0);
    let hint =
        Hint { email: email.as_str().to_owned(), expires_at: Some(session.expires_at.as_second()) };
    let token = SESSION.set(site, tokens.session_token.clone(), left);
    let jwt = SESSION_JWT.set(site, tokens.session_jwt.clone(), left);
    [token, jwt, remember(site, &hint)].concat()
}

/// The cookies of a session that goes on: of its new JWT, if that is one. A session that began
/// before `COOKIE_DOMAIN` was set moves there as a whole; so does one of which the browser shows
/// `several`.
pub fn go_on(
    site: &SiteConfig,
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
        .filter_map(|(cookie, value)| value.map(|value| cookie.set(site, value, left)))
        .flatten()
        .collect()
}

/// Clears the session's cookies. The hint stays.
pub fn clear(site: &SiteConfig) -> Vec<HeaderValue> {
    [SESSION, SESSION_JWT].map(|cookie| cookie.set(site, String::new(), 0)).concat()
}

/// Clears the session's cookies and the hint, also those that a sibling host has set for a domain
/// that it shares with ours. Where the names carry the prefix there can be none, and a plain cookie
/// of such a domain may be another application's.
pub fn clear_all(site: &SiteConfig) -> Vec<HeaderValue> {
    let mut cleared = [clear(site), cookie(site, HINT, String::new(), 0)].concat();
    if is_host_only(site) {
        return cleared;
    }
    for domain in shared_domains(site) {
        let names = [SESSION.plain, SESSION_JWT.plain, HINT];
        let each = names.map(|name| write(site, name, Some(domain), String::new(), 0));
        cleared.extend(each.into_iter().flatten());
    }
    cleared
}

/// Our host as a domain, and the domains above it, down to two labels. Browsers ignore cookies for a
/// public suffix.
fn shared_domains(site: &SiteConfig) -> Vec<&str> {
    let Some(mut domain) = site.public_url.domain() else { return Vec::new() };
    let mut domains = Vec::new();
    while let Some((_, parent)) = domain.split_once('.') {
        domains.push(domain);
        domain = parent;
    }
    domains
}

/// Keeps the address of somebody who left, but not that a session of theirs is about to end.
pub fn left(site: &SiteConfig, headers: &HeaderMap) -> Vec<HeaderValue> {
    let hint = Hint::read(headers).map(|hint| Hint { expires_at: None, ..hint });
    hint.map(|hint| remember(site, &hint)).unwrap_or_default()
}

fn remember(site: &SiteConfig, hint: &Hint) -> Vec<HeaderValue> {
    let Ok(json) = serde_json::to_vec(hint) else { return Vec::new() };
    cookie(site, HINT, URL_SAFE_NO_PAD.encode(json), HINT_DAYS * 24 * 60 * 60)
}

/// A cookie. One that is shared with siblings replaces that of the host alone, which a browser would
/// send along, and first, if it was there before `COOKIE_DOMAIN` was set. That one goes before, for
/// whoever keeps cookies by their names alone.
fn cookie(site: &SiteConfig, name: &'static str, value: String, max_age: i64) -> Vec<HeaderValue> {
    let domain = site.cookie_domain.as_deref();
    let alone = domain.and_then(|_| write(site, name, None, String::new(), 0));
    alone.into_iter().chain(write(site, name, domain, value, max_age)).collect()
}

fn write(
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
    // `Max-Age` is written by hand: the cookie crate's duration would be a second crate for time.
    HeaderValue::try_from(format!("{}; Max-Age={max_age}", cookie.build())).ok()
}

/// A session's secrets, as a browser shows them: the token, the JWT, or both.
pub struct Shown {
    pub token: Option<String>,
    pub jwt: Option<String>,
}

/// The most cookies of one name that a browser of ours can hold: the host's, and those of
/// `COOKIE_DOMAIN` as it is and as it was.
pub const MOST: usize = 3;

/// What a browser shows of its session, likeliest first.
///
/// It holds several cookies of a name if they are of several domains, and does not say which is
/// whose; it sends them in the order in which they came to be. Those that came last belong
/// together, and so on backwards.
pub fn shown(headers: &HeaderMap, site: &SiteConfig) -> Vec<Shown> {
    let (tokens, jwts) = (SESSION.values(headers, site), SESSION_JWT.values(headers, site));
    // A JWT without a token of its own goes with the oldest token: alone it could admit another
    // person than the token.
    let nth = |values: &[String], n: usize| {
        let at = values.len().saturating_sub(n + 1);
        values.get(at).cloned()
    };
    let several = tokens.len().max(jwts.len());
    (0..several).map(|n| Shown { token: nth(&tokens, n), jwt: nth(&jwts, n) }).collect()
}

/// The values of the cookies of a name, each once. The header is read as bytes, and white space is
/// that of ASCII only: a pair of another application can be anything, and must neither hide ours
/// nor pass for it.
fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
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
