//! Cross-origin checks: only Guestlist's own pages and the application's may make a browser call.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use url::Url;

use crate::config::SiteConfig;
use crate::openapi::operation::{GenContext, Operation, OperationInput, add_problems};
use crate::problem::{Code, Problem};
use crate::state::App;

/// Refuses requests that were made by a page of a foreign origin.
#[derive(Debug)]
pub struct SameOrigin;

impl FromRequestParts<App> for SameOrigin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        require_same_origin(&parts.headers, &app.site).map(|()| Self)
    }
}

/// Refuses a request made by a page of a foreign origin. Browsers send `Sec-Fetch-Site`, older ones
/// only `Origin`. A request with neither does not come from a browser, so its credentials were sent
/// on purpose.
pub fn require_same_origin(headers: &HeaderMap, site: &SiteConfig) -> Result<(), Problem> {
    let has_origin = headers.contains_key(header::ORIGIN);
    let is_trusted = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
        origin.is_some_and(|origin| site.is_allowed_origin(&origin.origin()))
    };
    // Compared as bytes: a value that is not text must count as present.
    let is_allowed = match (headers.get("sec-fetch-site").map(HeaderValue::as_bytes), has_origin) {
        (Some(b"same-origin" | b"none"), _) | (None, false) => true,
        (Some(_), false) => false,
        (_, true) => headers.get_all(header::ORIGIN).iter().all(is_trusted),
    };
    if is_allowed { Ok(()) } else { Err(Code::CrossOrigin.into()) }
}

impl OperationInput for SameOrigin {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        add_problems(operation, &[Code::CrossOrigin]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_trusted_origins_are_allowed() {
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
        let is_allowed = |fetch: Option<&str>, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(fetch) = fetch {
                headers.insert("sec-fetch-site", fetch.parse().unwrap());
            }
            if let Some(origin) = origin {
                headers.insert("origin", origin.parse().unwrap());
            }
            require_same_origin(&headers, &site).is_ok()
        };
        assert!(is_allowed(Some("same-origin"), Some("https://guests.example.com")));
        assert!(is_allowed(Some("same-site"), Some("https://app.example.com")));
        assert!(is_allowed(None, Some("https://guests.example.com")));
        assert!(is_allowed(None, None));
        assert!(!is_allowed(Some("cross-site"), Some("https://evil.example")));
        assert!(!is_allowed(Some("cross-site"), Some("null")));
        assert!(!is_allowed(Some("same-site"), Some("https://evil.example.com")));
        assert!(!is_allowed(Some("cross-site"), None));
        assert!(!is_allowed(None, Some("https://evil.example")));
        assert!(!is_allowed(None, Some("null")));
    }
}
