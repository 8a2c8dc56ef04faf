//! What pages of other origins may make a browser do: nothing.

use guestlist_tests::{Answer, Caller, Engine, Guestlist, operations};
use reqwest::Method;
use serde_json::json;

/// As browsers say that a foreign page asks, the newer ones and the older.
fn foreign(caller: &Caller) -> Vec<Caller> {
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

/// And our own, and the application's.
fn ours(guestlist: &Guestlist, caller: &Caller) -> Vec<Caller> {
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

/// The operations of the API that change something.
fn unsafe_operations() -> Vec<(Method, String)> {
    let operations = operations().into_iter();
    let changing = operations.filter(|operation| {
        operation.path.starts_with("/v1/") && !matches!(operation.method.as_str(), "get" | "head")
    });
    let named = changing.map(|operation| {
        let path = operation.path.replace("{id}", "01890000-0000-7000-8000-000000000000");
        let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
        (method, path.replace("{name}", "invitation"))
    });
    named.collect()
}

#[tokio::test]
async fn a_foreign_page_cannot_use_the_cookies_of_a_person() {
    let guestlist = start().await;
    let admin = guestlist.admin().await.caller();
    let operations = unsafe_operations();
    assert!(operations.len() >= 20, "{operations:?}");
    for caller in foreign(&admin) {
        for (method, path) in &operations {
            let refused = caller.call(method.clone(), path, None, "").await;
            let _ = refused.problem(403, "cross_origin");
        }
        // Reading is safe: no answer tells the foreign page anything.
        let read = caller.get("/v1/session").await.is(200);
        assert!(read.header("access-control-allow-origin").is_none(), "{read:?}");
    }
    for (n, caller) in ours(&guestlist, &admin).iter().enumerate() {
        let email = json!({ "email": format!("ada{n}@example.com") });
        let _ = caller.post("/v1/invitations", &email).await.is(202);
    }
}

/// The routes that take a form, as the router names them, so that none is forgotten here.
fn forms() -> Vec<String> {
    let routes = include_str!("../../../app/src/pages.rs").split(".route(").skip(1);
    let forms = routes.filter(|route| route.contains("post(")).map(|route| {
        let path = route.split('"').nth(1).unwrap();
        path.replace("{id}", "01890000-0000-7000-8000-000000000000")
    });
    // Where links lead is told of with the API.
    forms.chain(["/authenticate".to_owned()]).collect()
}

#[tokio::test]
async fn forms_are_taken_from_our_own_pages_only() {
    let guestlist = start().await;
    let admin = guestlist.admin().await.caller();
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    let fields = [("email", "bob@example.com"), ("role", "admin"), ("token", mail.token.as_str())];
    let forms = forms();
    assert!(forms.len() >= 12, "{forms:?}");
    for caller in foreign(&admin) {
        for path in &forms {
            let refused = caller.form(path, &fields).await;
            refused.page_or_problem(403, "cross_origin");
            assert!(refused.set_cookies().is_empty(), "{refused:?}");
        }
    }
    // None of that has logged anybody out, or burnt the link.
    let _ = admin.get("/v1/session").await.is(200);
    let _ = guestlist.press(&mail.token).await;
}

/// Who shows nothing of anybody's has nothing to be misused.
#[tokio::test]
async fn a_foreign_page_may_ask_for_a_link_in_nobodys_name() {
    let guestlist = start().await;
    let admin = guestlist.admin().await.caller();
    let callers = foreign(&guestlist.anybody()).into_iter().chain(ours(&guestlist, &admin));
    for (n, caller) in callers.enumerate() {
        let email = json!({ "email": format!("ada{n}@example.com") });
        let _ = caller.post("/v1/login", &email).await.is(202);
    }
}

#[tokio::test]
async fn a_foreign_page_logs_nobody_in() {
    let guestlist = start().await;
    let (_, mail) = guestlist.invite_and_mail("mallory@example.com").await;
    let anybody = guestlist.anybody();
    for caller in foreign(&anybody) {
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
    let _ = guestlist.press(&mail.token).await;
}

#[tokio::test]
async fn the_pages_of_the_application_may_read_who_is_logged_in() {
    let guestlist = start().await;
    let ada = guestlist.member("ada@example.com").await.caller();
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    let app = "https://app.example.com";
    let ours = ada.with("origin", app).get("/v1/session").await.is(200);
    assert_eq!(allowed(&ours).as_deref(), Some(app));
    assert_eq!(ours.header("access-control-allow-credentials"), Some("true"));
    let preflight = guestlist.anybody().with("access-control-request-method", "DELETE");
    let options = reqwest::Method::OPTIONS;
    let asked = preflight.with("origin", app).call(options.clone(), "/v1/session", None, "").await;
    assert_eq!(allowed(&asked).as_deref(), Some(app), "{asked:?}");
    let evil = preflight.with("origin", "https://evil.example");
    let asked = evil.call(options, "/v1/session", None, "").await;
    assert_eq!(allowed(&asked), None, "{asked:?}");
}

#[tokio::test]
async fn a_program_with_a_key_is_asked_for_no_origin() {
    let guestlist = start().await;
    for (n, caller) in foreign(&guestlist.api()).iter().enumerate() {
        let email = json!({ "email": format!("ada{n}@example.com") });
        let _ = caller.post("/v1/invitations", &email).await.is(202);
    }
    let ada = guestlist.log_in(&guestlist.admin_email).await;
    let by_token = guestlist.anybody().bearer(ada.token()).with("origin", "https://evil.example");
    let _ = by_token.post("/v1/users", &json!({ "email": "x@example.com" })).await.is(201);
}

/// A browser sends the password that it was once given by itself, as it does cookies.
#[tokio::test]
async fn a_foreign_page_cannot_use_the_password_that_a_browser_remembers() {
    let guestlist = start().await;
    let basic = guestlist.anybody().basic("", &guestlist.api_key);
    for caller in foreign(&basic) {
        for (method, path) in unsafe_operations() {
            let refused = caller.call(method, &path, None, "").await;
            // A person's own is no key's, whoever asks.
            let is_own = path.starts_with("/v1/session") && path != "/v1/sessions";
            let code = if is_own { "session_required" } else { "cross_origin" };
            let _ = refused.problem(403, code);
        }
    }
    for caller in ours(&guestlist, &basic) {
        let _ = caller.post_nothing("/v1/queues/invitation/pause").await.is(200);
    }
    let _ = basic.post_nothing("/v1/queues/invitation/pause").await.is(200);
}
