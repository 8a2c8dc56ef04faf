//! Reads the credentials of a request from its headers.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::SiteConfig;
use crate::sessions::cookies::{SessionCookies, session_cookies};

pub const KEY_PREFIX: &str = "glk_";

/// The credentials that a request presents, valid or not.
pub enum PresentedCredentials {
    ApiKey {
        secret: String,
        /// Whether it was sent by `Authorization: Basic`, which browsers repeat by themselves.
        is_basic: bool,
    },
    Bearer {
        token: Option<String>,
        jwt: Option<String>,
    },
    Cookies(Vec<SessionCookies>),
    None,
}

impl PresentedCredentials {
    /// Reads the credentials. `Authorization` takes precedence over cookies.
    pub fn read(headers: &HeaderMap, site: &SiteConfig) -> Self {
        let mut authorization = headers.get_all(AUTHORIZATION).iter();
        if let Some(found) = authorization.find_map(|value| parse_authorization(value.as_bytes())) {
            return found;
        }
        let cookies = session_cookies(headers, site);
        if cookies.is_empty() { Self::None } else { Self::Cookies(cookies) }
    }

    /// Returns whether browsers send these by themselves, whichever page makes the request: cookies
    /// and passwords.
    pub fn are_ambient(&self) -> bool {
        matches!(self, Self::Cookies(_) | Self::ApiKey { is_basic: true, .. })
    }
}

/// Returns whether a request presents credentials, valid or not.
pub fn has_credentials(headers: &HeaderMap, site: &SiteConfig) -> bool {
    !matches!(PresentedCredentials::read(headers, site), PresentedCredentials::None)
}

/// Returns whether a browser presents session cookies, valid or not.
pub fn has_session_cookies(headers: &HeaderMap, site: &SiteConfig) -> bool {
    matches!(PresentedCredentials::read(headers, site), PresentedCredentials::Cookies(_))
}

/// Parses `Bearer`, an API key by itself or after any scheme, and `Basic` with an API key. Returns
/// `None` for other credentials, which are meant for a proxy in front of Guestlist.
fn parse_authorization(value: &[u8]) -> Option<PresentedCredentials> {
    let api_key =
        |secret: &str| PresentedCredentials::ApiKey { secret: secret.to_owned(), is_basic: false };
    let value = String::from_utf8_lossy(value);
    let value = value.trim();
    if value.starts_with(KEY_PREFIX) {
        return Some(api_key(value));
    }
    let (scheme, secret) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    let secret = secret.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        let secret = parse_basic(secret)?;
        return Some(PresentedCredentials::ApiKey { secret, is_basic: true });
    }
    if secret.starts_with(KEY_PREFIX) {
        return Some(api_key(secret));
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let is_jwt = secret.split('.').count() == 3;
    let secret = Some(secret.to_owned());
    let (token, jwt) = if is_jwt { (None, secret) } else { (secret, None) };
    Some(PresentedCredentials::Bearer { token, jwt })
}

/// Returns the API key in `Basic` credentials: the password, or else the user name.
fn parse_basic(credentials: &str) -> Option<String> {
    let pair = STANDARD.decode(credentials).ok()?;
    let at = pair.iter().position(|byte| *byte == b':')?;
    let mut parts = [&pair[at + 1..], &pair[..at]].into_iter();
    let key = parts.find(|part| part.starts_with(KEY_PREFIX.as_bytes()))?;
    Some(String::from_utf8_lossy(key).into_owned())
}
