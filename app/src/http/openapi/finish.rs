//! What is the same for all operations.

use serde_json::{Value, json};

use super::refusals::Refusals;
use crate::config::SiteConfig;
use crate::http::cookies;

const ABOUT: &str = "\
Guestlist lets people into your application by invitation. A mail with a link goes out; whoever \
presses its button is in, for seven days by default.

Times are RFC 3339 in UTC with milliseconds. Lists are pages: give `next_cursor` as `cursor` for \
what comes after. Every refusal is a problem (RFC 9457) with a `code` that never changes. \
What is checked comes in this order: who calls (401), whether they may (403), whether the \
`Idempotency-Key` has an answer already, the request (400, 413, 415, 422), whether it is there \
(404), whether it can be done (409).";

/// Completes the document.
pub fn finish(document: &mut Value, site: &SiteConfig) {
    document["info"] = json!({
        "title": "Guestlist",
        "summary": "Let people into your application by invitation.",
        "description": ABOUT,
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    });
    // Wherever it is read from.
    document["servers"] = json!([{ "url": "/" }]);
    document["tags"] = json!([
        { "name": "Invitations" },
        { "name": "Users" },
        { "name": "Logging in" },
        { "name": "Operations" },
    ]);
    document["components"]["schemas"]["ReturnTo"]["pattern"] = json!(return_to(site));
    document["components"]["headers"] = headers();
    document["components"]["securitySchemes"] = ways_in(site);
    let mut refusals = Refusals::default();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            operation["tags"] = json!([tag(path)]);
            refusals.tell(path, method, operation);
        }
    }
    document["components"]["responses"] = refusals.into_responses();
}

/// A path of ours, or a URL of an origin that counts as ours.
fn return_to(site: &SiteConfig) -> String {
    let origins = site.app_origins.iter().cloned().chain([site.public_url.origin()]);
    let origins = origins.map(|origin| origin.ascii_serialization().replace('.', "\\."));
    let origins = origins.collect::<Vec<_>>().join("|");
    format!("^(?:/(?![/\\\\])|(?:{origins})(?:[/?#]|$))[^\\\\\\u0000-\\u001f\\u007f-\\u009f]*$")
}

fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "Names the request in our log. One that was sent is kept.",
            "schema": { "type": "string" },
        },
        "Retry-After": {
            "description": "In how many seconds to come again.",
            "schema": { "type": "integer", "minimum": 0 },
        },
        "Location": {
            "description": "Where what was made can be seen, or where to go on.",
            "schema": { "type": "string" },
        },
        "WWW-Authenticate": { "schema": { "type": "string" } },
        "Idempotent-Replayed": {
            "description": "`true` if this is the answer to an earlier request of the same key.",
            "schema": { "const": "true" },
        },
    })
}

fn ways_in(site: &SiteConfig) -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`glk_…`), a session token, or a session JWT.",
        },
        "basic": {
            "type": "http",
            "scheme": "basic",
            "description": "An API key as the password, with any user name; or as the user name.",
        },
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookies::SESSION.name(site),
            "description": "A browser's session. Unsafe requests must come from a page of ours \
                            or of APP_ORIGINS.",
        },
    })
}

fn tag(path: &str) -> &'static str {
    let first = path.trim_start_matches("/v1/").split('/').next().unwrap_or_default();
    match first {
        "invitations" => "Invitations",
        "users" | "audit" => "Users",
        "login" | "session" | "sessions" => "Logging in",
        _ if path == "/authenticate" => "Logging in",
        _ => "Operations",
    }
}
