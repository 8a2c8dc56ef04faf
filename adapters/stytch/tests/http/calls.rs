//! What goes out for each call of the port, and what is read from a good answer.

use guestlist_domain::{
    Email, IdentityProvider, InviteMail, LoginMail, Name, ProviderErrorKind, AuthenticatedSession,
};
use serde_json::{Value, json};

use crate::stub::{Asked, PROJECT_ID, SECRET, Stub, answer, json as says, provider, refusal};

/// The token of a link.
pub(crate) const TOKEN: &str = "rM_kw42CWBhsHLF62V75jELMbvJ87njMe3tFVj7Qupu7";

pub(crate) fn ada() -> Email {
    Email::parse("ada@example.com").unwrap()
}

pub(crate) fn invite() -> InviteMail {
    InviteMail {
        email: ada(),
        name: Name::parse("Ada Lovelace").unwrap(),
        redirect_url: "http://localhost:3000/authenticate".to_owned(),
        expires_in_minutes: 10_080,
    }
}

pub(crate) fn login() -> LoginMail {
    LoginMail {
        email: ada(),
        redirect_url: "http://localhost:3000/authenticate".to_owned(),
        expires_in_minutes: 60,
    }
}

/// The answer to a link or a session token, of the form that the real Stytch gives.
pub(crate) fn authenticated() -> Value {
    json!({
        "status_code": 200,
        "request_id": "request-id-test-1",
        "user_id": "user-test-1",
        "method_id": "email-test-1",
        "session_token": "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY",
        "session_jwt": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        "session": {
            "session_id": "session-test-1",
            "user_id": "user-test-1",
            "started_at": "2026-11-23T10:00:00.123456789Z",
            "last_accessed_at": "2026-11-23T10:00:00Z",
            "expires_at": "2026-11-23T11:00:00Z",
            "attributes": null,
            "authentication_factors": [{
                "type": "magic_link", "delivery_method": "email",
                "email_factor": {"email_id": "email-test-1", "email_address": "Ada@Example.com"},
            }],
            "roles": ["stytch_user"],
        },
        "user": {
            "user_id": "user-test-1", "status": "active", "roles": [],
            "emails": [
                {"email_id": "email-test-1", "email": "ada@example.com", "verified": true},
                {"email_id": "email-test-2", "email": "countess@example.com", "verified": true},
            ],
        },
        "reset_sessions": false,
        "user_device": null,
    })
}

fn sent() -> Value {
    json!({
        "status_code": 200, "request_id": "request-id-test-1",
        "user_id": "user-test-1", "email_id": "email-test-1",
    })
}

fn done() -> Value {
    json!({"status_code": 200, "request_id": "request-id-test-1"})
}

fn only(stub: &Stub) -> Asked {
    let asked = stub.asked();
    assert_eq!(asked.len(), 1);
    asked[0].clone()
}

#[tokio::test]
async fn an_invitation_is_asked_for() {
    let stub = Stub::saying(says(200, &sent())).await;
    let delivered = stub.provider().send_invite(&invite()).await.unwrap();
    assert_eq!(delivered.provider_user_id, "user-test-1");
    assert_eq!(delivered.request_id.as_deref(), Some("request-id-test-1"));
    let asked = only(&stub);
    assert_eq!(asked.line, "POST /v1/magic_links/email/invite");
    assert_eq!(
        asked.body,
        json!({
            "email": "ada@example.com",
            "name": {"first_name": "Ada", "last_name": "Lovelace"},
            "invite_magic_link_url": "http://localhost:3000/authenticate",
            "invite_expiration_minutes": 10_080,
        })
    );
}

#[tokio::test]
async fn what_is_not_known_is_not_sent() {
    let stub = Stub::saying(says(201, &sent())).await;
    let mail = InviteMail { name: None, ..invite() };
    stub.provider().send_invite(&mail).await.unwrap();
    assert_eq!(only(&stub).body.get("name"), None);
}

#[tokio::test]
async fn a_login_link_is_asked_for_whatever_the_user_s_state() {
    let stub = Stub::saying(says(200, &sent())).await;
    stub.provider().send_login(&login()).await.unwrap();
    let asked = only(&stub);
    assert_eq!(asked.line, "POST /v1/magic_links/email/login_or_create");
    assert_eq!(
        asked.body,
        json!({
            "email": "ada@example.com",
            "login_magic_link_url": "http://localhost:3000/authenticate",
            "signup_magic_link_url": "http://localhost:3000/authenticate",
            "login_expiration_minutes": 60,
            "signup_expiration_minutes": 60,
            "create_user_as_pending": false,
        })
    );
}

#[tokio::test]
async fn a_link_becomes_a_session() {
    let stub = Stub::saying(says(200, &authenticated())).await;
    let vouched = stub.provider().authenticate_link(TOKEN, 60).await.unwrap();
    assert_eq!(vouched.session.provider_session_id, "session-test-1");
    assert_eq!(vouched.session.provider_user_id, "user-test-1");
    assert_eq!(vouched.session.started_at.to_string(), "2026-11-23T10:00:00.123456Z");
    assert_eq!(vouched.session.expires_at.to_string(), "2026-11-23T11:00:00Z");
    assert_eq!(vouched.tokens.session_token, "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY");
    assert_eq!(vouched.tokens.session_jwt, "eyJhbGciOiJSUzI1NiJ9.e30.c2ln");
    assert_eq!(vouched.email, Some(ada()));
    let asked = only(&stub);
    assert_eq!(asked.line, "POST /v1/magic_links/authenticate");
    assert_eq!(asked.body, json!({"token": TOKEN, "session_duration_minutes": 60}));
}

#[tokio::test]
async fn a_refresh_does_not_make_the_session_longer() {
    let stub = Stub::saying(says(200, &authenticated())).await;
    stub.provider().refresh_session(TOKEN).await.unwrap();
    let asked = only(&stub);
    assert_eq!(asked.line, "POST /v1/sessions/authenticate");
    assert_eq!(asked.body, json!({"session_token": TOKEN}));
}

async fn vouched(change: impl FnOnce(&mut Value)) -> AuthenticatedSession {
    let mut body = authenticated();
    change(&mut body);
    let stub = Stub::saying(says(200, &body)).await;
    stub.provider().authenticate_link(TOKEN, 60).await.unwrap()
}

#[tokio::test]
async fn the_address_is_the_one_that_the_link_was_sent_to() {
    let other = |body: &mut Value| body["method_id"] = "email-test-2".into();
    let countess = Email::parse("countess@example.com").unwrap();
    assert_eq!(vouched(other).await.email, Some(countess));

    let unknown = |body: &mut Value| body["method_id"] = "email-test-9".into();
    assert_eq!(vouched(unknown).await.email, None);

    let only = |body: &mut Value| {
        body["method_id"] = Value::Null;
        body["user"]["emails"].as_array_mut().unwrap().truncate(1);
    };
    assert_eq!(vouched(only).await.email, Some(ada()));
}

#[tokio::test]
async fn what_is_strange_in_an_answer_does_not_cost_the_session() {
    let strange = |body: &mut Value| {
        body["news"] = json!({"of": ["next", "year"]});
        body["user"] = json!("elsewhere");
        body["method_id"] = json!(7);
        body["session"]["started_at"] = Value::Null;
        body["session"]["roles"] = Value::Null;
        body["session"]["authentication_factors"] = json!([
            {"type": "telepathy", "delivery_method": "aether", "telepathy_factor": {}},
            7,
            {"type": "magic_link", "delivery_method": "pigeon",
             "email_factor": {"email_id": "email-test-1", "email_address": "ada@example.com"}},
        ]);
    };
    let vouched = vouched(strange).await;
    assert_eq!(vouched.session.provider_session_id, "session-test-1");
    assert_eq!(vouched.session.started_at.to_string(), "2026-11-23T10:00:00Z");
    assert_eq!(vouched.email, Some(ada()));
}

/// All that people write of themselves is theirs to make strange.
#[tokio::test]
async fn what_no_type_of_ours_holds_does_not_cost_the_session() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for strange in [deep.as_str(), r#""\ud800""#, "1e999", "-123456789012345678901234567890"] {
        let body = authenticated().to_string();
        let body = body.replacen(r#""roles":[]"#, &format!(r#""untrusted_metadata":{strange}"#), 1);
        assert!(body.contains(strange));
        let stub = Stub::saying(answer(200, "", body)).await;
        let vouched = stub.provider().authenticate_link(TOKEN, 60).await.unwrap();
        assert_eq!(vouched.email, Some(ada()), "{strange}");
    }
}

#[tokio::test]
async fn what_can_not_be_kept_or_sent_back_is_no_id_and_no_token() {
    let long = "x".repeat(129);
    for strange in ["", " ", "a b", "a\r\nset-cookie: b", "ädä", long.as_str()] {
        let mut sent = sent();
        sent["user_id"] = strange.into();
        let stub = Stub::saying(says(200, &sent)).await;
        let error = stub.provider().send_invite(&invite()).await.unwrap_err();
        assert_eq!(error.code, "bad_answer", "{strange:?}");
        for at in ["/session/session_id", "/session/user_id", "/session_token", "/session_jwt"] {
            let mut body = authenticated();
            *body.pointer_mut(at).unwrap() = strange.into();
            let stub = Stub::saying(says(200, &body)).await;
            let answer = stub.provider().authenticate_link(TOKEN, 60).await;
            let is_long_token = strange == long && at.starts_with("/session_");
            assert_eq!(answer.is_ok(), is_long_token, "{at} {strange:?}");
        }
    }
}

#[tokio::test]
async fn a_list_is_no_object() {
    let session =
        json!(["session-test-1", "user-test-1", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"]);
    for body in [json!(["user-test-1", null, null]), json!([null, "t", "j", session, {}])] {
        let stub = Stub::saying(says(200, &body)).await;
        let provider = stub.provider();
        assert_eq!(provider.send_invite(&invite()).await.unwrap_err().code, "bad_answer");
        assert_eq!(provider.delete_user("user-test-1").await.unwrap_err().code, "bad_answer");
        let answer = provider.authenticate_link(TOKEN, 60).await;
        assert_eq!(answer.unwrap_err().code, "bad_answer");
    }
    let body = json!(["unauthorized_credentials", "No.", "request-id-test-1"]);
    let stub = Stub::saying(says(400, &body)).await;
    assert_eq!(stub.provider().send_invite(&invite()).await.unwrap_err().code, "http_400");
}

#[tokio::test]
async fn a_session_that_was_not_made_is_a_bad_answer() {
    for missing in ["session_token", "session_jwt", "session"] {
        let mut body = authenticated();
        body[missing] = if missing == "session" { Value::Null } else { "".into() };
        let stub = Stub::saying(says(200, &body)).await;
        let error = stub.provider().authenticate_link(TOKEN, 60).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ProviderErrorKind::Doubtful, "bad_answer"));
        assert_eq!(error.request_id.as_deref(), Some("request-id-test-1"));
    }
}

#[tokio::test]
async fn what_is_taken_back_is_taken_back() {
    let stub = Stub::saying(says(200, &done())).await;
    let provider = stub.provider();
    provider.revoke_invite(&ada()).await.unwrap();
    provider.revoke_session("session-test-1").await.unwrap();
    provider.delete_user("user-test-1").await.unwrap();
    provider.check_credentials().await.unwrap();
    let asked = stub.asked();
    let lines: Vec<_> = asked.iter().map(|asked| asked.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /v1/magic_links/email/revoke_invite",
            "POST /v1/sessions/revoke",
            "DELETE /v1/users/user-test-1",
            "GET /v1/debug/whoami",
        ]
    );
    assert_eq!(asked[0].body, json!({"email": "ada@example.com"}));
    assert_eq!(asked[1].body, json!({"session_id": "session-test-1"}));
}

#[tokio::test]
async fn that_nothing_is_there_to_take_back_is_success() {
    for (error_type, status) in [
        ("email_not_found", 404),
        ("user_not_found", 404),
        ("session_not_found", 404),
        ("invalid_session_id", 400),
        ("invalid_email", 400),
    ] {
        let stub = Stub::saying(refusal(status, error_type)).await;
        let provider = stub.provider();
        let is_ok = [
            provider.revoke_invite(&ada()).await.is_ok(),
            provider.revoke_session("session-test-1").await.is_ok(),
            provider.delete_user("user-test-1").await.is_ok(),
        ];
        let expected = match error_type {
            "email_not_found" => [true, false, false],
            "user_not_found" => [true, false, true],
            "session_not_found" | "invalid_session_id" => [false, true, false],
            _ => [false; 3],
        };
        assert_eq!(is_ok, expected, "{error_type}");
    }
}

#[tokio::test]
async fn whoever_fails_or_leads_elsewhere_does_not_know_that_nothing_is_there() {
    for status in [302, 429, 500, 502, 999] {
        for error_type in ["email_not_found", "user_not_found", "session_not_found"] {
            let stub = Stub::saying(refusal(status, error_type)).await;
            let provider = stub.provider();
            provider.revoke_invite(&ada()).await.unwrap_err();
            provider.revoke_session("session-test-1").await.unwrap_err();
            provider.delete_user("user-test-1").await.unwrap_err();
            provider.identity("user-test-1").await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn an_id_can_not_lead_to_another_route() {
    let stub = Stub::saying(says(200, &done())).await;
    let provider = stub.provider();
    provider.delete_user("a/../b?c#d%2F e").await.unwrap();
    assert_eq!(only(&stub).line, "DELETE /v1/users/a%2F..%2Fb%3Fc%23d%252F%20e");
    for id in ["", ".", ".."] {
        let error = provider.delete_user(id).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Rejected);
    }
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn every_call_says_who_we_are_over_one_connection() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let stub = Stub::saying(says(200, &done())).await;
    let provider = stub.provider();
    for _ in 0..3 {
        provider.check_credentials().await.unwrap();
    }
    let basic = format!("Basic {}", STANDARD.encode(format!("{PROJECT_ID}:{SECRET}")));
    let agent = format!("guestlist/{}", env!("CARGO_PKG_VERSION"));
    for asked in stub.asked() {
        assert_eq!(asked.header("authorization"), Some(basic.as_str()));
        assert_eq!(asked.header("user-agent"), Some(agent.as_str()));
        assert_eq!(asked.connection, 1);
    }
}

#[tokio::test]
async fn a_base_url_may_have_a_path() {
    let stub = Stub::saying(says(200, &done())).await;
    for base in ["stytch", "stytch/"] {
        let provider =
            provider(&format!("{}{base}", stub.url), std::sync::Arc::new(crate::stub::clock()));
        provider.check_credentials().await.unwrap();
    }
    assert!(stub.asked().iter().all(|asked| asked.line == "GET /stytch/v1/debug/whoami"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let stub = Stub::saying(answer(308, "location: /elsewhere\r\n", "")).await;
    let error = stub.provider().send_invite(&invite()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ProviderErrorKind::Misconfigured, "http_308"));
    assert_eq!(stub.asked().len(), 1);
}
