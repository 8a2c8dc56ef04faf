//! Requests from pages of other origins.

use std::path::Path;

use guestlist_tests::{Caller, Engine, Guestlist, Response, UNKNOWN_ID, operations};
use reqwest::Method;
use serde_json::json;

/// Returns callers with the headers of a cross-origin page, in new and old browsers.
fn cross_origin(caller: &Caller) -> Vec<Caller> {
    vec![
        caller.with("sec-fetch-site", "cross-site").with("origin", "https://evil.example"),
        caller.with("sec-fetch-site", "cross-site"),
        caller.with("sec-fetch-site", "same-site").with("origin", "http://evil.localhost"),
        caller.with("sec-fetch-site", "cross-site").with("origin", "null"),
        caller.with("origin", "https://evil.example"),
        caller.with("origin", "null"),
        caller.with("origin", "http://localhost:1"),
    ]
}

/// Returns callers with the headers of Guestlist's pages and of the application's.
fn same_origin(guestlist: &Guestlist, caller: &Caller) -> Vec<Caller> {
    vec![
        caller.with("sec-fetch-site", "same-origin").with("origin", &guestlist.public_url),
        caller.with("sec-fetch-site", "same-origin"),
        caller.with("sec-fetch-site", "none"),
        caller.with("sec-fetch-site", "cross-site").with("origin", "https://app.example.com"),
        caller.with("origin", &guestlist.public_url),
        caller.with("origin", "https://app.example.com"),
    ]
}

async fn start() -> Guestlist {
    Guestlist::dev(Engine::Sqlite).env("APP_URL", "https://app.example.com/in").start().await
}

/// Returns the operations of the API that change something.
fn unsafe_operations() -> Vec<(Method, String)> {
    let operations = operations().into_iter();
    let changing = operations.filter(|operation| {
        operation.path.starts_with("/v1/") && !matches!(operation.method.as_str(), "get" | "head")
    });
    let named = changing.map(|operation| {
        let path = operation.path.replace("{id}", UNKNOWN_ID);
        let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
        (method, path.replace("{name}", "invitation"))
    });
    named.collect()
}

#[tokio::test]
async fn a_cross_origin_page_cannot_use_session_cookies() {
    let guestlist = start().await;
    let admin = guestlist.admin().await.caller();
    let operations = unsafe_operations();
    assert!(operations.len() >= 20, "{operations:?}");
    for caller in cross_origin(&admin) {
        for (method, path) in &operations {
            let refused = caller.call(method.clone(), path, None, "").await;
            let _ = refused.problem(403, "cross_origin");
        }
        // Reading is allowed, because without CORS headers the page can't see the response.
        let read = caller.get("/v1/session").await.is(200);
        assert!(read.header("access-control-allow-origin").is_none(), "{read:?}");
    }
    for (n, caller) in same_origin(&guestlist, &admin).iter().enumerate() {
        let email = json!({ "email": format!("ada{n}@example.com") });
        let _ = caller.post("/v1/invitations", &email).await.is(202);
    }
}

/// Returns every route that accepts a form, from the source of the pages' routers.
fn forms() -> Vec<String> {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/src");
    let files = ["pages.rs", "pages/invitations.rs", "pages/ops.rs"];
    let mut forms = Vec::new();
    for file in files {
        let router = std::fs::read_to_string(app.join(file)).expect("a router of the pages");
        let with_form = router.split(".route(").skip(1).filter(|part| part.contains("post("));
        let paths = with_form.map(|part| part.split('"').nth(1).unwrap().to_owned());
        let before = forms.len();
        forms.extend(paths.map(|path| {
            // `{{id}}` is written in a format string, whose argument is the name of an action.
            let path = path.replace("{{", "{").replace("}}", "}").replace("{id}", UNKNOWN_ID);
            let name = if path.starts_with("/ops/jobs") { "retry" } else { "login" };
            path.replace("{name}", name)
        }));
        assert!(forms.len() > before);
    }
    // The form of the link page is an operation of the API.
    forms.push("/authenticate".to_owned());
    forms
}

#[tokio::test]
async fn forms_are_accepted_from_the_same_origin_only() {
    let guestlist = start().await;
    let admin = guestlist.admin().await.caller();
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    let fields = [("email", "bob@example.com"), ("role", "admin"), ("token", mail.token.as_str())];
    let forms = forms();
    assert!(forms.len() >= 18, "{forms:?}");
    for caller in cross_origin(&admin) {
        for path in &forms {
            let refused = caller.form(path, &fields).await;
            refused.page_or_problem(403, "cross_origin");
            assert!(refused.set_cookies().is_empty(), "{refused:?}");
        }
    }
    // No session was ended, and the link was not consumed.
    let _ = admin.get("/v1/session").await.is(200);
    let _ = guestlist.redeem_link(&mail.token).await;
}

/// A request without credentials has none to misuse.
#[tokio::test]
async fn a_cross_origin_page_may_request_a_link_without_cookies() {
    let guestlist = start().await;
    let admin = guestlist.admin().await.caller();
    let callers =
        cross_origin(&guestlist.anonymous()).into_iter().chain(same_origin(&guestlist, &admin));
    for (n, caller) in callers.enumerate() {
        let email = json!({ "email": format!("ada{n}@example.com") });
        let _ = caller.post("/v1/login", &email).await.is(202);
    }
}

#[tokio::test]
async fn a_cross_origin_page_cannot_log_a_browser_in() {
    let guestlist = start().await;
    let (_, mail) = guestlist.invite_and_mail("mallory@example.com").await;
    let anonymous = guestlist.anonymous();
    for caller in cross_origin(&anonymous) {
        for path in ["/authenticate", "/login", "/logout"] {
            let fields = [("email", "mallory@example.com"), ("token", &mail.token)];
            let refused = caller.form(path, &fields).await;
            let _ = refused.problem(403, "cross_origin");
            assert!(refused.set_cookies().is_empty(), "{refused:?}");
        }
        let token = json!({ "token": mail.token });
        let refused = caller.post("/v1/sessions", &token).await;
        let _ = refused.problem(403, "cross_origin");
        assert!(refused.set_cookies().is_empty(), "{refused:?}");
    }
    let _ = guestlist.redeem_link(&mail.token).await;
}

#[tokio::test]
async fn pages_of_the_application_may_read_the_session() {
    let guestlist = start().await;
    let ada = guestlist.member("ada@example.com").await.caller();
    let allowed =
        |response: &Response| response.header("access-control-allow-origin").map(str::to_owned);
    let app = "https://app.example.com";
    let response = ada.with("origin", app).get("/v1/session").await.is(200);
    assert_eq!(allowed(&response).as_deref(), Some(app));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    let preflight = guestlist.anonymous().with("access-control-request-method", "DELETE");
    let options = reqwest::Method::OPTIONS;
    let asked = preflight.with("origin", app).call(options.clone(), "/v1/session", None, "").await;
    assert_eq!(allowed(&asked).as_deref(), Some(app), "{asked:?}");
    let evil = preflight.with("origin", "https://evil.example");
    let asked = evil.call(options, "/v1/session", None, "").await;
    assert_eq!(allowed(&asked), None, "{asked:?}");
}

#[tokio::test]
async fn an_api_key_works_from_any_origin() {
    let guestlist = start().await;
    for (n, caller) in cross_origin(&guestlist.api()).iter().enumerate() {
        let email = json!({ "email": format!("ada{n}@example.com") });
        let _ = caller.post("/v1/invitations", &email).await.is(202);
    }
    let ada = guestlist.log_in(&guestlist.admin_email).await;
    let by_token = guestlist.anonymous().bearer(ada.token()).with("origin", "https://evil.example");
    let _ = by_token.post("/v1/users", &json!({ "email": "x@example.com" })).await.is(201);
}

/// A browser sends remembered basic credentials by itself, as it does cookies.
#[tokio::test]
async fn a_cross_origin_page_cannot_use_remembered_basic_credentials() {
    let guestlist = start().await;
    let basic = guestlist.anonymous().basic("", &guestlist.api_key);
    for caller in cross_origin(&basic) {
        for (method, path) in unsafe_operations() {
            let refused = caller.call(method, &path, None, "").await;
            // An API key has no session of its own, from any origin.
            let is_own = path.starts_with("/v1/session") && path != "/v1/sessions";
            let code = if is_own { "session_required" } else { "cross_origin" };
            let _ = refused.problem(403, code);
        }
    }
    for caller in same_origin(&guestlist, &basic) {
        let _ = caller.post_nothing("/v1/queues/invitation/pause").await.is(200);
    }
    let _ = basic.post_nothing("/v1/queues/invitation/pause").await.is(200);
}
