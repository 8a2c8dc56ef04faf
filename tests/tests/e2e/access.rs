//! Who may do what, beyond what the table of operations says.

use guestlist_tests::{Engine, Guestlist, id};
use reqwest::Method;
use serde_json::json;

const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

#[tokio::test]
async fn pages_of_administrators_are_for_administrators() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    let remove = format!("/users/{NOBODY}/remove");
    let resend = format!("/invitations/{NOBODY}/resend");
    for path in ["/users/invite", &remove, &resend] {
        let _ = ada.form(path, &[("email", "bob@example.com")]).await.is(403);
        let stranger =
            guestlist.browser().form(path, &[("email", "bob@example.com")]).await.is(401);
        assert!(stranger.body.contains("data-code=\"session_missing\""), "{}", stranger.body);
    }
    let _ = guestlist.browser().get("/").await.is(303);
}

#[tokio::test]
async fn only_who_is_unrestricted_may_grant_a_role_above_member() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (_, secret) = guestlist.create_key("writer", &["invitations:write", "users:write"]).await;
    let writer = guestlist.anybody().bearer(&secret);
    for path in ["/v1/invitations", "/v1/users"] {
        for role in ["admin", "operator"] {
            let body = json!({ "email": "ada@example.com", "role": role });
            let _ = writer.post(path, &body).await.problem(403, "role_not_grantable");
        }
    }
    let body = json!({ "email": "ada@example.com", "role": "member" });
    let _ = writer.post("/v1/invitations", &body).await.is(202);
    let body = json!({ "email": "bob@example.com", "role": "admin" });
    let bob = guestlist.api().post("/v1/invitations", &body).await.is(202).json();
    assert_eq!((&bob["role"], &bob["invited_by"]["type"]), (&json!("admin"), &json!("key")));
    let mail = guestlist.stytch().mail("bob@example.com", 1).await;
    let mut bob = guestlist.press(&mail.token).await;
    let _ = bob.get("/v1/users").await.is(200);
}

#[tokio::test]
async fn a_key_works_as_the_password_of_basic_and_not_once_it_is_revoked() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (key, secret) = guestlist.create_key("ops", &["users:read"]).await;
    let basic = guestlist.anybody().basic("anything", &secret);
    let _ = basic.get("/v1/users").await.is(200);
    let _ = guestlist
        .anybody()
        .basic(&secret, "")
        .get("/v1/users")
        .await
        .problem(401, "api_key_invalid");
    let _ = guestlist.succeeds(&["keys", "revoke", &key]).await;
    for caller in [basic, guestlist.anybody().bearer(&secret)] {
        let _ = caller.get("/v1/users").await.problem(401, "api_key_invalid");
        let _ = caller.post_nothing("/v1/invitations").await.problem(401, "api_key_invalid");
    }
}

#[tokio::test]
async fn the_request_is_looked_at_before_what_it_is_about() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let _ = guestlist.invite("ada@example.com").await;
    let api = guestlist.api();
    // 422 before 409, 403 before 409.
    let body = json!({ "email": "ada@example.com", "name": "x".repeat(300) });
    let _ = api.post("/v1/invitations", &body).await.problem(422, "invalid_request");
    let (_, secret) = guestlist.create_key("writer", &["invitations:write"]).await;
    let body = json!({ "email": "ada@example.com", "role": "admin" });
    let writer = guestlist.anybody().bearer(&secret);
    let _ = writer.post("/v1/invitations", &body).await.problem(403, "role_not_grantable");
    // 401 before 413.
    let large = "x".repeat(2 * 1024 * 1024);
    let stranger = guestlist.anybody();
    let json = Some("application/json");
    let answer = stranger.try_call(Method::POST, "/v1/invitations", json, large).await;
    if let Ok(answer) = answer {
        let _ = answer.problem(401, "session_missing");
    }
}

#[tokio::test]
async fn the_last_administrator_cannot_be_removed() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let me = guestlist.user(&guestlist.admin_email).await;
    let path = format!("/v1/users/{}", id(&me));
    let _ = guestlist.api().delete(&path).await.problem(409, "last_admin");
    let _ = admin.api(Method::DELETE, &path, None).await.problem(409, "last_admin");
    let _ = admin.get("/v1/session").await.is(200);
}
