//! Requests that pages make on a browser's behalf: only ours and the application's may.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use url::Url;

use super::problem::{Code, Problem};
use super::state::App;
use crate::config::SiteConfig;

/// A request that no foreign page has made.
#[derive(Debug)]
pub struct Ours;

impl FromRequestParts<App> for Ours {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        require_ours(&parts.headers, app.site()).map(|()| Self)
    }
}

/// Refuses what a foreign page has made. Every browser says where from: by `Sec-Fetch-Site`, the
/// older ones by `Origin`. What says neither is no browser, and holds nobody's cookies by
/// accident.
pub fn require_ours(headers: &HeaderMap, site: &SiteConfig) -> Result<(), Problem> {
    let has_origin = headers.contains_key(header::ORIGIN);
    let is_listed = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
        origin.is_some_and(|origin| site.is_allowed_origin(&origin.origin()))
    };
    // Compared as bytes: a value that is not text is a value all the same.
    let is_ours = match (headers.get("sec-fetch-site").map(HeaderValue::as_bytes), has_origin) {
        (Some(b"same-origin" | b"none"), _) | (None, false) => true,
        (Some(_), false) => false,
        (_, true) => headers.get_all(header::ORIGIN).iter().all(is_listed),
    };
    if is_ours {
        return Ok(());
    }
    let detail = "This request was made by a page of another origin. Add the origin to \
                  APP_ORIGINS if it is your application's.";
    Err(Problem::new(Code::CrossOrigin, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_pages_are_refused_and_ours_are_not() {
        let site = SiteConfig {
            public_url: Url::parse("https://guests.example.com").unwrap(),
            app_name: String::new(),
            app_url: None,
            app_origins: vec![Url::parse("https://app.example.com").unwrap().origin()],
            cookie_domain: None,
            hsts_include_subdomains: false,
            trusted_proxies: vec![],
            inbox_url: None,
            stytch: crate::config::StytchProject::default(),
        };
        let is_ours = |fetch: Option<&str>, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(fetch) = fetch {
                headers.insert("sec-fetch-site", fetch.parse().unwrap());
            }
            if let Some(origin) = origin {
                headers.insert("origin", origin.parse().unwrap());
            }
            require_ours(&headers, &site).is_ok()
        };
        assert!(is_ours(Some("same-origin"), Some("https://guests.example.com")));
        assert!(is_ours(Some("same-site"), Some("https://app.example.com")));
        assert!(is_ours(None, Some("https://guests.example.com")));
        assert!(is_ours(None, None));
        assert!(!is_ours(Some("cross-site"), Some("https://evil.example")));
        assert!(!is_ours(Some("cross-site"), Some("null")));
        assert!(!is_ours(Some("same-site"), Some("https://evil.example.com")));
        assert!(!is_ours(Some("cross-site"), None));
        assert!(!is_ours(None, Some("https://evil.example")));
        assert!(!is_ours(None, Some("null")));
    }
}
