//! Generates the document.

use aide::axum::ApiRouter;
use aide::generate::{extract_schemas, in_context, infer_responses, reset_context};
use aide::openapi::OpenApi;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::responses::ProblemResponses;
use crate::config::SiteConfig;
use crate::problem::ProblemBody;
use crate::sessions::cookies;
use crate::state::App;

const DESCRIPTION: &str = "\
Guestlist lets people into your application by invitation. An invitation is a mail with a link. \
The invitee opens it, clicks Continue, and is logged in, for seven days by default.

**Conventions.** Times are RFC 3339 in UTC with milliseconds. Lists are paginated: pass \
`next_cursor` as `cursor` to get the next page. Errors are problem details (RFC 9457) with a \
stable `code`.

**Order of checks.** Authentication (401), authorization (403), replay by `Idempotency-Key`, \
validation (400, 413, 415, 422), existence (404), state (409).";

pub fn document(
    routes: impl FnOnce() -> ApiRouter<App>,
    site: &SiteConfig,
) -> serde_json::Result<Value> {
    reset_context();
    extract_schemas(true);
    infer_responses(false);
    in_context(|ctx| {
        let settings = SchemaSettings::draft2020_12();
        let settings = settings.with(|s| s.definitions_path = "#/components/schemas/".into());
        ctx.schema = settings.into_generator();
        ctx.schema.subschema_for::<ProblemBody<'static>>();
    });
    let mut api = OpenApi::default();
    let _ = routes().finish_api(&mut api);
    let mut document = serde_json::to_value(&api)?;
    complete(&mut document, site);
    Ok(document)
}

/// Adds what aide does not generate.
fn complete(document: &mut Value, site: &SiteConfig) {
    document["info"] = json!({
        "title": "Guestlist",
        "summary": "Let people into your application by invitation.",
        "description": DESCRIPTION,
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    });
    document["servers"] = json!([{ "url": "/" }]);
    document["tags"] = json!([
        { "name": "Invitations", "description": "Invite people by mail." },
        { "name": "Users", "description": "Manage users, and see the audit log." },
        { "name": "Sessions", "description": "Log users in and out." },
        { "name": "Operations", "description": "Watch and control queues and jobs." },
    ]);
    document["components"]["schemas"]["ReturnTo"]["pattern"] = json!(return_to_pattern(site));
    document["components"]["headers"] = headers();
    document["components"]["securitySchemes"] = security_schemes(site);
    let mut responses = ProblemResponses::default();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            operation["tags"] = json!([tag(path)]);
            responses.document(path, method, operation);
        }
    }
    document["components"]["responses"] = responses.into_components();
}

/// A pattern of paths on this host, and of URLs with a trusted origin.
fn return_to_pattern(site: &SiteConfig) -> String {
    let origins = site.app_origins.iter().cloned().chain([site.public_url.origin()]);
    let origins = origins.map(|origin| origin.ascii_serialization().replace('.', "\\."));
    let origins = origins.collect::<Vec<_>>().join("|");
    format!("^(?:/(?![/\\\\])|(?:{origins})(?:[/?#]|$))[^\\\\\\u0000-\\u001f\\u007f-\\u009f]*$")
}

fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The request's id in Guestlist's log. Send one of your own to have it \
                            used.",
            "schema": { "type": "string" },
        },
        "Retry-After": {
            "description": "How long to wait before trying again, in seconds.",
            "schema": { "type": "integer", "minimum": 0 },
        },
        "Location": {
            "description": "The URL of the created resource, or where to go next.",
            "schema": { "type": "string" },
        },
        "WWW-Authenticate": {
            "description": "The authentication scheme to use: `Bearer`.",
            "schema": { "type": "string" },
        },
        "Idempotent-Replayed": {
            "description": "`true` if this is the response to an earlier request with the same \
                            `Idempotency-Key`.",
            "schema": { "const": "true" },
        },
    })
}

fn security_schemes(site: &SiteConfig) -> Value {
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
            "description": "A browser's session. Unsafe requests must come from a page of \
                            Guestlist or of an origin in APP_ORIGINS.",
        },
    })
}

fn tag(path: &str) -> &'static str {
    let first = path.trim_start_matches("/v1/").split('/').next().unwrap_or_default();
    match first {
        "invitations" => "Invitations",
        "users" | "audit" => "Users",
        "login" | "session" | "sessions" => "Sessions",
        _ if path == "/authenticate" => "Sessions",
        _ => "Operations",
    }
}
