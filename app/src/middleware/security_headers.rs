//! Security headers of all responses.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::config::SiteConfig;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Sets the headers; those that a handler may choose only if it has not set them.
pub fn set(headers: &mut HeaderMap, site: &SiteConfig) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type.is_some_and(|kind| kind.starts_with(b"text/html")) {
        // Windows of other origins get no reference to a page's window.
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    }
    if site.is_secure() {
        let hsts = HeaderValue::from_static(if site.hsts_include_subdomains {
            "max-age=63072000; includeSubDomains"
        } else {
            "max-age=63072000"
        });
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
}
