//! The details of validation errors explain how to correct the request.

use guestlist_tests::{Engine, Guestlist, Response, on_every_engine, user_path};
use reqwest::Method;
use serde_json::{Value, json};

/// Returns the detail of the error, which must be the only one, at `pointer`.
#[track_caller]
fn error_detail(response: &Response, pointer: &str) -> String {
    let problem = response.problem(422, response.json()["code"].as_str().unwrap());
    assert_eq!(response.pointers(), [pointer], "{problem}");
    problem["errors"][0]["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_invalid_address_is_explained() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let long = format!("{}@example.com", "a".repeat(65));
    for (email, words) in [
        ("ada\u{200b}@example.com", "U+200B ZERO WIDTH SPACE"),
        ("\u{feff}ada@example.com", "U+FEFF"),
        ("ada@exam\u{ad}ple.com", "U+00AD SOFT HYPHEN"),
        ("jos\u{e9}@example.com", "before the @"),
        (&long, "64 characters"),
        ("ada@b\u{fc} cher.example", "domain"),
    ] {
        for path in ["/v1/invitations", "/v1/users", "/v1/login"] {
            let response = guestlist.api().post(path, &json!({ "email": email })).await;
            let detail = error_detail(&response, "/email");
            assert!(detail.contains(words), "{path} {email:?}: {detail}");
        }
        let refused = guestlist.run(&["invite", email]).await;
        assert!(refused.code == Some(1) && refused.stdout.contains(words), "{refused:?}");
        let page = guestlist.browser().form("/login", &[("email", email)]).await.is(422);
        assert!(page.body.contains(words), "{email:?}: {}", page.body);
    }
}

#[tokio::test]
async fn an_international_domain_is_converted_to_ascii() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let ascii = "ada@xn--bcher-kva.example";
        let invitation = guestlist.invite("Ada@B\u{fc}cher.example").await;
        assert_eq!(invitation["email"], ascii);
        let again = json!({ "email": "ada@bu\u{308}cher.example" });
        let again = guestlist.api().post("/v1/invitations", &again).await;
        assert_eq!(again.problem(409, "already_invited")["invitation_id"], invitation["id"]);
        let mail = guestlist.sandbox().nth_email(ascii, 1).await;
        let _ = guestlist.redeem_link(&mail.token).await;
        let _ = guestlist.log_in(ascii).await;
    })
    .await;
}

#[tokio::test]
async fn a_conflict_with_a_suspended_user_is_explained() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let body = json!({ "email": "ada@example.com" });
        let ada = guestlist.api().post("/v1/users", &body).await.is(201).json();
        for (status, is_said) in [("active", false), ("suspended", true)] {
            let change = json!({ "status": status });
            let _ = guestlist.api().patch(&user_path(&ada), &change).await;
            for path in ["/v1/invitations", "/v1/users"] {
                let problem =
                    guestlist.api().post(path, &body).await.problem(409, "already_member");
                assert_eq!(problem["user_id"], ada["id"], "{path}");
                let detail = problem["detail"].as_str().unwrap();
                assert_eq!(detail.contains("suspended"), is_said, "{path}: {detail}");
            }
            let cli = guestlist.run(&["invite", "ada@example.com"]).await;
            assert_eq!(cli.stdout.contains("suspended"), is_said, "{cli:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_unescaped_plus_in_a_time_is_explained() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let since = "/v1/audit?since=2026-01-31T09:30:00";
    let detail = error_detail(&guestlist.api().get(&format!("{since}+02:00")).await, "/since");
    assert!(detail.contains("%2B"), "{detail}");
    let _ = guestlist.api().get(&format!("{since}%2B02:00")).await.is(200);
    let detail = error_detail(&guestlist.api().get(&format!("{since}+x")).await, "/since");
    assert!(!detail.contains("%2B"), "{detail}");
}

#[tokio::test]
async fn a_link_with_two_tokens_is_refused_on_a_page() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut browser = guestlist.browser();
    let opened = browser.get("/authenticate?token=a&token=b").await.is(400);
    let redeemed = browser.form("/authenticate", &[("token", "a"), ("token", "b")]).await.is(400);
    for page in [opened, redeemed, browser.form("/authenticate", &[]).await.is(400)] {
        assert!(page.body.contains("link_invalid"), "{}", page.body);
        assert!(page.body.contains("Mail me a new link"), "{}", page.body);
        assert!(!page.body.contains("deserialize"), "{}", page.body);
    }
    let page = browser.get("/?after=x").await;
    let mut admin = guestlist.admin().await;
    for page in [page, admin.get("/?after=x").await, admin.get("/audit?user=a&user=b").await] {
        assert!(!page.body.contains("deserialize"), "{}", page.body);
    }
    let twice = [("email", "a@example.com"), ("email", "b@example.com")];
    let page = browser.form("/login", &twice).await.is(422);
    assert!(page.body.contains("“email” is given more than once"), "{}", page.body);
    // An unknown parameter, as campaigns add, may be repeated.
    let _ = browser.get("/login?utm=1&utm=2").await.is(200);
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec();
    let json = Some("application/json");
    for encoding in ["gzip", "br", "identity, gzip"] {
        let caller = guestlist.api().with("content-encoding", encoding);
        for path in ["/v1/invitations", "/v1/users", "/v1/login"] {
            let response = caller.call(Method::POST, path, json, gzip.clone()).await;
            let problem = response.problem(415, "unsupported_media_type");
            assert!(problem["detail"].as_str().unwrap().contains("Content-Encoding"), "{problem}");
        }
    }
    let plain = guestlist.api().with("content-encoding", "identity");
    let _ = plain.post("/v1/users", &json!({ "email": "ada@example.com" })).await.is(201);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_explained() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let invitation = |field: &str, value: Value| {
        let mut body = json!({ "email": "ada@example.com" });
        body[field] = value;
        ("/v1/invitations", body)
    };
    for ((path, body), pointer, words) in [
        (("/v1/invitations", json!({})), "/email", "is missing"),
        (invitation("email", json!(5)), "/email", "must be a string"),
        (invitation("name", json!(["x"])), "/name", "must be a string"),
        (invitation("metadata", json!("x")), "/metadata", "must be an object"),
        (invitation("expires_in_minutes", json!("60")), "/expires_in_minutes", "must be a number"),
        (invitation("surprise", json!(1)), "/surprise", "is unknown; allowed: email, name,"),
        (
            ("/v1/sessions", json!({ "token": "x", "invitation": "y" })),
            "/invitation",
            "must be an id",
        ),
        (
            ("/v1/jobs/retry", json!({ "state": "dead", "dry_run": "yes" })),
            "/dry_run",
            "must be true or false",
        ),
    ] {
        let detail = error_detail(&guestlist.api().post(path, &body).await, pointer);
        assert!(detail.starts_with(words), "{path} {body}: {detail}");
    }
    for (query, words) in [
        ("nme=x", "The query parameter `nme` is unknown; allowed: q, role,"),
        ("limit=1&limit=2", "The query parameter `limit` is given more than once."),
    ] {
        let response = guestlist.api().get(&format!("/v1/users?{query}")).await;
        let detail = response.problem(422, "invalid_query")["detail"].clone();
        assert!(detail.as_str().unwrap().starts_with(words), "{detail}");
    }
}
