//! Security headers of every kind of response.

use guestlist_tests::{Caller, Engine, Guestlist, Response, Setup};
use reqwest::Method;
use serde_json::json;

const PAGE: &str = "text/html,*/*";

/// Returns a response of each kind, with its name.
async fn responses(guestlist: &Guestlist, admin: &Caller) -> Vec<(&'static str, Response)> {
    let (anonymous, api) = (guestlist.anonymous(), guestlist.api());
    let browser = anonymous.with("accept", PAGE).with("sec-fetch-site", "same-origin");
    let preflight = anonymous.with("origin", "https://app.example.com");
    let preflight = preflight.with("access-control-request-method", "DELETE");
    let mut answers = vec![
        ("page", browser.get("/login").await.is(200)),
        ("page of a person", admin.get("/sessions").await.is(200)),
        (
            "page of a link",
            browser.get("/authenticate?token=xxxxxxxxxxxxxxxxxxxxxxxx").await.is(200),
        ),
        ("page that tells of a problem", browser.get("/nonsense").await.is(404)),
        (
            "page that refuses a link",
            browser.form("/authenticate", &[("token", "x")]).await.is(400),
        ),
        ("head of a page", browser.head("/login").await.is(200)),
        ("redirect", browser.get("/").await.is(303)),
        ("redirect after a form", browser.form("/logout", &[]).await.is(303)),
        ("response", api.get("/v1/users").await.is(200)),
        ("response about a session", admin.get("/v1/session").await.is(200)),
        (
            "response without a body",
            admin.with("sec-fetch-site", "none").delete("/v1/session").await.is(204),
        ),
        (
            "response to a login",
            anonymous.post("/v1/login", &json!({ "email": "a@b.c" })).await.is(202),
        ),
        ("problem", anonymous.get("/v1/users").await.is(401)),
        ("problem of no route", anonymous.get("/v1/nonsense").await.is(404)),
        ("problem of no method", anonymous.call(Method::PUT, "/login", None, "").await.is(405)),
        ("problem of a body", api.post("/v1/users", &json!([])).await.is(422)),
        ("preflight", preflight.call(Method::OPTIONS, "/v1/session", None, "").await.is(200)),
        ("health", anonymous.get("/healthz").await.is(200)),
        ("metrics", api.get("/metrics").await.is(200)),
        ("style", anonymous.get("/static/guestlist.css").await.is(200)),
        ("script", anonymous.get("/static/guestlist.js").await.is(200)),
    ];
    // This is the last one, because the server may close the connection early.
    let large = "x".repeat(2 * 1024 * 1024);
    let too_large = api.try_call(Method::POST, "/v1/users", Some("application/json"), large).await;
    answers.extend(too_large.ok().map(|response| ("problem of a large body", response.is(413))));
    answers
}

/// Asserts the security headers of a response.
fn assert_secure(what: &str, response: &Response) {
    let header =
        |name| response.header(name).unwrap_or_else(|| panic!("{what}: {name}: {response:?}"));
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{what}: {policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
    assert!(!policy.contains("unsafe-") && !policy.contains('*'), "{what}: {policy}");
    let referrer = if what == "page of a link" { "strict-origin" } else { "same-origin" };
    assert_eq!(header("referrer-policy"), referrer, "{what}");
    let is_page = what.contains("page");
    let opener = response.header("cross-origin-opener-policy");
    assert_eq!(opener, is_page.then_some("same-origin"), "{what}");
    let kept = if ["style", "script"].contains(&what) { "no-cache" } else { "no-store" };
    assert_eq!(header("cache-control"), kept, "{what}");
}

/// Starts an installation, and returns it with a caller who is an administrator.
async fn start(setup: Setup) -> (Guestlist, Caller) {
    let guestlist = setup.env("APP_ORIGINS", "https://app.example.com").start().await;
    let token = guestlist.stytch_link(&guestlist.admin_email).await;
    let admin = guestlist.redeem_link(&token).await.caller();
    (guestlist, admin)
}

#[tokio::test]
async fn every_kind_of_response_has_security_headers() {
    for public_url in ["http://localhost:3000", "https://guests.example.com"] {
        let setup = Guestlist::split(Engine::Sqlite).workers(0).env("PUBLIC_URL", public_url);
        let (guestlist, admin) = start(setup).await;
        for (what, response) in responses(&guestlist, &admin).await {
            assert_secure(what, &response);
            let hsts = response.header("strict-transport-security");
            assert_eq!(hsts.is_some(), public_url.starts_with("https"), "{what}: {hsts:?}");
        }
    }
}

#[tokio::test]
async fn hsts_includes_subdomains_only_if_configured() {
    for (setting, value) in
        [("off", "max-age=63072000"), ("on", "max-age=63072000; includeSubDomains")]
    {
        let setup = Guestlist::split(Engine::Sqlite).workers(0);
        let setup = setup.env("PUBLIC_URL", "https://guests.example.com");
        let guestlist = setup.env("HSTS_INCLUDE_SUBDOMAINS", setting).start().await;
        let response = guestlist.anonymous().get("/healthz").await.is(200);
        assert_eq!(response.header("strict-transport-security"), Some(value), "{setting}");
    }
}

/// `PUBLIC_URL` alone decides whether cookies are secure, even behind a trusted proxy.
#[tokio::test]
async fn a_forwarded_protocol_does_not_change_cookie_security() {
    for (public_url, says) in
        [("https://guests.example.com", "http"), ("http://localhost:3000", "https")]
    {
        let setup = Guestlist::split(Engine::Sqlite).workers(0).env("PUBLIC_URL", public_url);
        let (guestlist, _) = start(setup.env("TRUSTED_PROXIES", "127.0.0.0/8")).await;
        let token = guestlist.stytch_link(&guestlist.admin_email).await;
        let proxy = guestlist.anonymous().with("x-forwarded-proto", says);
        let redeemed = proxy.form("/authenticate", &[("token", &token)]).await.is(303);
        let is_secure = public_url.starts_with("https");
        for cookie in redeemed.set_cookies() {
            assert_eq!(cookie.contains("; Secure"), is_secure, "{cookie}");
        }
        assert_eq!(redeemed.header("strict-transport-security").is_some(), is_secure);
    }
}
