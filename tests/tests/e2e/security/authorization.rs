//! Authorization rules that depend on the target, and forms of credentials.

use guestlist_tests::{Caller, Engine, Guestlist, UNKNOWN_ID, id, user_path};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn administration_pages_require_an_administrator() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    let remove = format!("/users/{UNKNOWN_ID}/remove");
    let resend = format!("/invitations/{UNKNOWN_ID}/resend");
    for path in ["/users/invite", &remove, &resend] {
        let _ = ada.form(path, &[("email", "bob@example.com")]).await.is(403);
        let anonymous =
            guestlist.browser().form(path, &[("email", "bob@example.com")]).await.is(401);
        assert!(anonymous.body.contains("data-code=\"session_missing\""), "{}", anonymous.body);
    }
    let _ = guestlist.browser().get("/").await.is(303);
}

#[tokio::test]
async fn a_restricted_key_can_grant_only_the_member_role() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (_, secret) = guestlist.create_key("writer", &["invitations:write", "users:write"]).await;
    let writer = guestlist.anonymous().bearer(&secret);
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
    let mail = guestlist.sandbox().nth_email("bob@example.com", 1).await;
    let mut bob = guestlist.redeem_link(&mail.token).await;
    let _ = bob.get("/v1/users").await.is(200);
}

#[tokio::test]
async fn an_api_key_works_as_a_basic_password_until_it_is_revoked() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (key, secret) = guestlist.create_key("ops", &["users:read"]).await;
    let basic = guestlist.anonymous().basic("anything", &secret);
    let _ = basic.get("/v1/users").await.is(200);
    let anonymous = guestlist.anonymous();
    let shown = |value: String| anonymous.with("authorization", &value);
    let others = [
        // `curl -u "$KEY:"` sends the key as the user name.
        anonymous.basic(&secret, ""),
        anonymous.basic(&secret, "x"),
        shown(secret.clone()),
        shown(format!("Token {secret}")),
        shown(format!("bearer   {secret} ")),
    ];
    for caller in &others {
        let _ = caller.get("/v1/users").await.is(200);
    }
    let _ = guestlist.run_ok(&["keys", "revoke", &key]).await;
    for caller in others.into_iter().chain([basic, anonymous.bearer(&secret)]) {
        let _ = caller.get("/v1/users").await.problem(401, "api_key_invalid");
        let _ = caller.post_nothing("/v1/invitations").await.problem(401, "api_key_invalid");
    }
}

#[tokio::test]
async fn credentials_for_a_proxy_are_ignored() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let admin = guestlist.admin().await.caller();
    let callers = |by: &Caller| {
        [
            by.basic("staging", "open sesame"),
            by.basic("", ""),
            by.with_bytes("authorization", b"Basic c3TDvGdpbmc6"),
            by.with_bytes("authorization", b"Basic /////zpnbGs="),
            by.with_bytes("authorization", b"Basic not base64"),
            by.with_bytes("authorization", b"Basic"),
            by.with_bytes("authorization", b"Negotiate YII"),
            by.with_bytes("authorization", b"Digest username=\"caf\xe9\""),
        ]
    };
    for caller in callers(&admin) {
        let _ = caller.get("/v1/session").await.is(200);
        let _ = caller.get("/sessions").await.is(200);
        // The cookies are used, and so is the origin.
        let foreign = caller.with("sec-fetch-site", "cross-site");
        let _ = foreign.delete("/v1/session").await.problem(403, "cross_origin");
    }
    for (n, caller) in callers(&guestlist.anonymous()).iter().enumerate() {
        let _ = caller.get("/v1/users").await.problem(401, "session_missing");
        let body = json!({ "email": format!("nobody{n}@example.com") });
        let foreign = caller.with("origin", "https://evil.example");
        let _ = foreign.post("/v1/login", &body).await.is(202);
    }
    // A key or a token in a second header is used.
    let proxied = guestlist.anonymous().basic("staging", "open sesame");
    let key = format!("Bearer {}", guestlist.api_key);
    let _ = proxied.with_bytes("authorization", key.as_bytes()).get("/v1/users").await.is(200);
    let wrong = proxied.with_bytes("authorization", b"Bearer caf\xe9");
    let _ = wrong.get("/v1/users").await.problem(401, "session_missing");
}

#[tokio::test]
async fn a_restricted_key_cannot_change_an_administrator() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let _ = guestlist.admin().await;
    let add = async |email: &str, role: &str| {
        let body = json!({ "email": email, "role": role });
        guestlist.api().post("/v1/users", &body).await.is(201).json()
    };
    let (_, secret) = guestlist.create_key("writer", &["users:write", "invitations:write"]).await;
    let writer = guestlist.anonymous().bearer(&secret);
    let path = |user: &Value| user_path(user);
    for role in ["admin", "operator"] {
        let boss = add(&format!("boss-{role}@example.com"), role).await;
        for body in [
            json!({ "name": "Mallory" }),
            json!({ "name": null }),
            json!({ "metadata": { "plan": "free" } }),
            json!({ "status": "active" }),
            json!({ "status": "suspended" }),
            json!({ "role": "member" }),
            json!({}),
        ] {
            let refused = writer.patch(&path(&boss), &body).await;
            let problem = refused.problem(403, "role_not_grantable");
            assert!(!problem.to_string().contains("example.com"), "{problem}");
        }
        assert_eq!(guestlist.api().get(&path(&boss)).await.is(200).json(), boss);

        // A revoked invitation leaves the user's role.
        let email = format!("invited-{role}@example.com");
        let body = json!({ "email": email, "role": role, "name": "Ada" });
        let invited = guestlist.api().post("/v1/invitations", &body).await.is(202).json();
        let revoke = format!("/v1/invitations/{}/revoke", id(&invited));
        let _ = writer.post_nothing(&revoke).await.problem(403, "role_not_grantable");
        let _ = guestlist.api().post_nothing(&revoke).await.is(200);
        let body = json!({ "email": email, "name": "Mallory" });
        for path in ["/v1/users", "/v1/invitations"] {
            let _ = writer.post(path, &body).await.problem(403, "role_not_grantable");
        }
        let user = guestlist.user(&email).await;
        assert_eq!((&user["role"], &user["name"]), (&json!(role), &json!("Ada")), "{user}");
    }
    let ada = add("ada@example.com", "member").await;
    let _ = writer.patch(&path(&ada), &json!({ "name": "Ada" })).await.is(200);
    // An empty patch reads the user, which requires the read scope.
    let _ = writer.patch(&path(&ada), &json!({})).await.problem(403, "scope_missing");
    let nobody = format!("/v1/users/{UNKNOWN_ID}");
    let _ = writer.patch(&nobody, &json!({})).await.problem(403, "scope_missing");
    let (_, secret) = guestlist.create_key("both", &["users:write", "users:read"]).await;
    let both = guestlist.anonymous().bearer(&secret);
    let _ = both.patch(&path(&ada), &json!({})).await.is(200);
    let _ = both.patch(&nobody, &json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_request_is_validated_before_its_target_is_read() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let _ = guestlist.invite("ada@example.com").await;
    let api = guestlist.api();
    // 422 and 403 take precedence over 409.
    let body = json!({ "email": "ada@example.com", "name": "x".repeat(300) });
    let _ = api.post("/v1/invitations", &body).await.problem(422, "invalid_request");
    let (_, secret) = guestlist.create_key("writer", &["invitations:write"]).await;
    let body = json!({ "email": "ada@example.com", "role": "admin" });
    let writer = guestlist.anonymous().bearer(&secret);
    let _ = writer.post("/v1/invitations", &body).await.problem(403, "role_not_grantable");
    // 401 takes precedence over 413.
    let large = "x".repeat(2 * 1024 * 1024);
    let anonymous = guestlist.anonymous();
    let json = Some("application/json");
    let response = anonymous.try_call(Method::POST, "/v1/invitations", json, large).await;
    if let Ok(response) = response {
        let _ = response.problem(401, "session_missing");
    }
}

#[tokio::test]
async fn the_last_administrator_cannot_be_removed() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let me = guestlist.user(&guestlist.admin_email).await;
    let path = user_path(&me);
    let _ = guestlist.api().delete(&path).await.problem(409, "last_admin");
    let _ = admin.api(Method::DELETE, &path, None).await.problem(409, "last_admin");
    let _ = admin.get("/v1/session").await.is(200);
}
