//! Invalid bodies are refused with a 4xx and a stable code, and write no row.

use guestlist_tests::{Guestlist, Response, on_every_engine};
use reqwest::Method;
use serde_json::{Value, json};

const MIB: usize = 1024 * 1024;

async fn rows(guestlist: &Guestlist) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in
        ["users", "user_emails", "invitations", "events", "login_requests", "idempotency_keys"]
    {
        counts.push(guestlist.database().integer(&format!("SELECT COUNT(*) FROM {table}")).await);
    }
    let jobs = "SELECT COUNT(*) FROM jobs WHERE kind <> 'sweep'";
    counts.push(guestlist.database().integer(jobs).await);
    counts
}

async fn raw(guestlist: &Guestlist, kind: Option<&str>, body: impl Into<Vec<u8>>) -> Response {
    guestlist.api().call(Method::POST, "/v1/invitations", kind, body).await
}

#[tokio::test]
async fn a_body_that_is_not_valid_json_is_refused() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let before = rows(&guestlist).await;
        let json = Some("application/json");
        for body in
            ["", "{", "nonsense", "{\"email\": \"a@example.com\"", "{'email': 1}", "\u{feff}{}"]
        {
            let _ = raw(&guestlist, json, body).await.problem(400, "malformed_json");
        }
        let not_text = b"{\"email\": \"\xff\xfe@example.com\"}".to_vec();
        let _ = raw(&guestlist, json, not_text).await.problem(400, "malformed_json");
        let lone = r#"{"email": "a@example.com", "name": "\ud800"}"#;
        let _ = raw(&guestlist, json, lone).await.problem(400, "malformed_json");
        let deep = format!(
            "{{\"email\": \"a@example.com\", \"metadata\": {{\"a\": {}1{}}}}}",
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        let _ = raw(&guestlist, json, deep).await.problem(400, "malformed_json");
        for body in [
            "[]",
            "null",
            "1",
            "\"a@example.com\"",
            "{}",
            "{\"email\": 5}",
            "{\"email\": null}",
            "{\"email\": [\"a@example.com\"]}",
        ] {
            let _ = raw(&guestlist, json, body).await.problem(422, "invalid_request");
        }
        let right = r#"{"email": "a@example.com"}"#;
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonx"),
            Some("text/json"),
        ] {
            let _ = raw(&guestlist, kind, right).await.problem(415, "unsupported_media_type");
        }
        let padded = |size: usize| {
            let rest = "{\"email\": \"\"}".len();
            format!("{{\"email\": \"{}\"}}", "a".repeat(size - rest))
        };
        let _ = raw(&guestlist, json, padded(MIB + 1)).await.problem(413, "body_too_large");
        let _ = raw(&guestlist, json, padded(MIB)).await.problem(422, "invalid_request");
        assert_eq!(rows(&guestlist).await, before, "nothing was written");
        let charset = Some("application/json; charset=utf-8");
        let _ = raw(&guestlist, charset, right).await.is(202);
    })
    .await;
}

#[tokio::test]
async fn an_invalid_field_is_named() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let before = rows(&guestlist).await;
        for (path, body, pointer) in wrong_fields() {
            let response = guestlist.api().post(path, &body).await;
            let _ = response.problem(422, "invalid_request");
            let pointers = response.pointers();
            assert!(pointers.iter().any(|p| p == pointer), "{path} {pointer}: {}", response.body);
        }
        let all = json!({ "email": "nobody", "role": "king", "expires_in_minutes": 4, "return_to": "//evil.example" });
        let response = guestlist.api().post("/v1/invitations", &all).await;
        let mut pointers = response.pointers();
        pointers.sort();
        assert_eq!(pointers, ["/email", "/expires_in_minutes", "/return_to", "/role"]);
        assert_eq!(rows(&guestlist).await, before, "nothing was written");
    })
    .await;
}

fn wrong_fields() -> Vec<(&'static str, Value, &'static str)> {
    let emails = [
        "a".repeat(10_000),
        format!("{}@example.com", "a".repeat(10_000)),
        "ä@example.com".to_owned(),
        "a@exä mple.com".to_owned(),
        "😀@example.com".to_owned(),
        "ⓐ@example.com".to_owned(),
        String::new(),
        " ".to_owned(),
        "nobody".to_owned(),
        "@example.com".to_owned(),
        "a@".to_owned(),
        "a b@example.com".to_owned(),
        "a@b@example.com,c@example.com".to_owned(),
        "a\u{0}b@example.com".to_owned(),
        "a@example.com\r\nBcc: b@example.com".to_owned(),
        "<a@example.com>".to_owned(),
    ];
    let mut wrong = Vec::new();
    for email in emails {
        for path in ["/v1/invitations", "/v1/users", "/v1/login"] {
            wrong.push((path, json!({ "email": email }), "/email"));
        }
    }
    let with = |field: &str, value: Value| {
        let mut body = json!({ "email": "ada@example.com" });
        body[field] = value;
        body
    };
    for path in ["/v1/invitations", "/v1/users"] {
        wrong.push((path, with("name", json!("x".repeat(201))), "/name"));
        wrong.push((path, with("name", json!("a\u{0}b")), "/name"));
        wrong.push((path, with("name", json!(5)), "/name"));
        wrong.push((path, with("role", json!("king")), "/role"));
        wrong.push((path, with("role", json!("Admin")), "/role"));
        wrong.push((path, with("metadata", json!([])), "/metadata"));
        wrong.push((path, with("metadata", json!({ "a": "x".repeat(9000) })), "/metadata"));
    }
    for minutes in
        [json!(4), json!(10_081), json!(-5), json!(i64::MAX), json!(1e300), json!(7.5), json!("60")]
    {
        wrong.push(("/v1/invitations", with("expires_in_minutes", minutes), "/expires_in_minutes"));
    }
    for place in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "x",
    ] {
        wrong.push(("/v1/invitations", with("return_to", json!(place)), "/return_to"));
        wrong.push(("/v1/login", with("return_to", json!(place)), "/return_to"));
    }
    let long = format!("/{}", "a".repeat(10_000));
    wrong.push(("/v1/invitations", with("return_to", json!(long)), "/return_to"));
    wrong
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let guestlist = Guestlist::dev(guestlist_tests::Engine::Sqlite).start().await;
    for path in ["/v1/invitations", "/v1/users", "/v1/login", "/v1/sessions"] {
        let body = json!({ "email": "ada@example.com", "token": "x", "surprise": 1 });
        let mut body = body.as_object().unwrap().clone();
        let _ = body.remove(if path == "/v1/sessions" { "email" } else { "token" });
        let response = guestlist.api().post(path, &Value::Object(body)).await;
        let problem = response.problem(422, "invalid_request");
        assert!(problem.to_string().contains("surprise"), "{path}: {problem}");
    }
}

#[tokio::test]
async fn unusual_valid_values_are_kept_unchanged() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let body = json!({
            "email": "  ADA.O'Neil+tag@Example.COM ",
            "name": "😀 Åse Ǻ Ω ".repeat(10),
            "metadata": {
                "big": u64::MAX, "small": i64::MIN, "third": 0.1, "nil": null, "ключ": "Ω\u{0}😀",
                "list": [1, "two", { "three": [] }],
            },
            "expires_in_minutes": 10_080,
            "return_to": "/a?b=ö#c",
        });
        let invitation = guestlist.api().post("/v1/invitations", &body).await.is(202).json();
        let kept = guestlist.invitation(guestlist_tests::id(&invitation)).await;
        assert_eq!(kept["email"], "ada.o'neil+tag@example.com");
        assert_eq!(kept["name"], body["name"].as_str().unwrap().trim());
        assert_eq!(kept["metadata"], body["metadata"]);
        assert_eq!(kept["return_to"], "/a?b=%C3%B6#c");
        let mail = guestlist.sandbox().nth_email("ada.o'neil+tag@example.com", 1).await;
        let mut ada = guestlist.browser();
        let _ = ada.redeem_link(&mail.token).await.is(303);
        let session = ada.get("/v1/session").await.is(200).json();
        assert_eq!(session["user"]["metadata"], body["metadata"], "it is the user's now");
        // Addresses are compared without regard to case.
        let again = json!({ "email": "ada.o'neil+tag@EXAMPLE.com" });
        let _ =
            guestlist.api().post("/v1/invitations", &again).await.problem(409, "already_member");
    })
    .await;
}
