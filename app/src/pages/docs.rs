//! The API to read and to try, by Swagger UI, which comes with the program.

use std::sync::LazyLock;

use aide::swagger::Swagger;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The page, and a policy that lets in its own scripts and styles and no others.
static PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
    let html = Swagger::new("/openapi.json").with_title("The API of Guestlist").html();
    let without_scripts = "<body><noscript>This page needs scripts. What it shows is at \
                           <a href=\"/openapi.json\">/openapi.json</a>.</noscript>";
    let html = html.replacen("<body>", without_scripts, 1);
    // A browser that is told of none asks for one, and complains that there is none.
    let html = html.replacen("<head>", "<head><link rel=\"icon\" href=\"data:,\">", 1);
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src 'self' data:; \
         connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
        hashes(&html, "script"),
        hashes(&html, "style"),
    );
    (html, policy)
});

/// `GET /docs`
pub async fn docs() -> Response {
    let (html, policy) = &*PAGE;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, Html(html.as_str())).into_response()
}

/// The hashes of all elements of that name, for a policy.
fn hashes(html: &str, element: &str) -> String {
    let (begin, end) = (format!("<{element}>"), format!("</{element}>"));
    let mut hashes = Vec::new();
    let mut rest = html;
    // What stands inside of a script may well look like another's beginning.
    while let Some((inside, after)) =
        rest.split_once(&begin).and_then(|(_, inside)| inside.split_once(&end))
    {
        hashes.push(format!("'sha256-{}'", STANDARD.encode(Sha256::digest(inside))));
        rest = after;
    }
    hashes.join(" ")
}
