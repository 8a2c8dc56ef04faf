//! What pages of other origins may make a browser do: nothing.

use guestlist_tests::{Answer, Caller, Engine, Guestlist, id};
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

#[tokio::test]
async fn a_foreign_page_cannot_use_the_cookies_of_a_person() {
    let guestlist = start().await;
    let admin = guestlist.admin().await.caller();
    let user = guestlist.user(&guestlist.admin_email).await;
    let email = json!({ "email": "ada@example.com" });
    for caller in foreign(&admin) {
        let _ = caller.post("/v1/invitations", &email).await.problem(403, "cross_origin");
        let _ = caller.post("/v1/users", &email).await.problem(403, "cross_origin");
        let path = format!("/v1/users/{}", id(&user));
        let _ = caller.delete(&path).await.problem(403, "cross_origin");
        let _ = caller.delete("/v1/session").await.problem(403, "cross_origin");
        // Reading is safe: no answer tells the foreign page anything.
        let read = caller.get("/v1/session").await.is(200);
        assert!(read.header("access-control-allow-origin").is_none(), "{read:?}");
    }
    for (n, caller) in ours(&guestlist, &admin).iter().enumerate() {
        let email = json!({ "email": format!("ada{n}@example.com") });
        let _ = caller.post("/v1/invitations", &email).await.is(202);
    }
}

#[tokio::test]
async fn forms_are_taken_from_our_own_pages_only() {
    let guestlist = start().await;
    let admin = guestlist.admin().await.caller();
    let (invitation, mail) = guestlist.invite_and_mail("ada@example.com").await;
    let user = guestlist.user("ada@example.com").await;
    let remove = format!("/users/{}/remove", id(&user));
    let resend = format!("/invitations/{}/resend", id(&invitation));
    let fields = [("email", "bob@example.com")];
    let anybody = guestlist.anybody();
    for caller in foreign(&admin) {
        for path in ["/users/invite", &remove, &resend, "/logout", "/login"] {
            caller.form(path, &fields).await.page_or_problem(403, "cross_origin");
        }
    }
    for caller in foreign(&anybody) {
        let _ = caller.form("/login", &fields).await.problem(403, "cross_origin");
        let pressed = caller.form("/authenticate", &[("token", &mail.token)]).await;
        let _ = pressed.problem(403, "cross_origin");
        assert!(pressed.set_cookies().is_empty());
    }
    // None of that has burnt the link.
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
