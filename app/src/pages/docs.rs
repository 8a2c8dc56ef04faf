//! The API reference: Swagger UI, embedded in the program.

use std::sync::LazyLock;

use aide::swagger::Swagger;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The page, and a content security policy that allows its own inline scripts and styles only.
static PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
    let html = Swagger::new("/openapi.json").with_title("Guestlist API reference").html();
    let noscript = "<body><noscript>This page requires JavaScript. The document it shows is at \
                    <a href=\"/openapi.json\">/openapi.json</a>.</noscript>";
    let html = html.replacen("<body>", noscript, 1);
    // Without an icon link, browsers request /favicon.ico and log an error.
    let html = html.replacen("<head>", "<head><link rel=\"icon\" href=\"data:,\">", 1);
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src 'self' data:; \
         connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
        hashes(&html, "script"),
        hashes(&html, "style"),
    );
    (html, policy)
});

/// Handles `GET /docs`.
pub async fn show() -> Response {
    let (html, policy) = &*PAGE;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, Html(html.as_str())).into_response()
}

/// Returns the CSP hashes of all elements with this name.
fn hashes(html: &str, element: &str) -> String {
    let (start_tag, end_tag) = (format!("<{element}>"), format!("</{element}>"));
    let mut hashes = Vec::new();
    let mut rest = html;
    // A script may contain a start tag in a string, so each search continues after the end tag.
    while let Some((content, after)) =
        rest.split_once(&start_tag).and_then(|(_, content)| content.split_once(&end_tag))
    {
        hashes.push(format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content))));
        rest = after;
    }
    hashes.join(" ")
}
