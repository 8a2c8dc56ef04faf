//! The requests of each port operation, and the results read from successful responses.

use guestlist_domain::{
    AuthenticatedSession, Email, IdentityProvider, InviteMail, LoginMail, Name, ProviderErrorKind,
};
use serde_json::{Value, json};

use crate::stub_server::{
    PROJECT_ID, ReceivedRequest, SECRET, StubServer, error_response, json_response, provider,
    response,
};

/// The token of a magic link.
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

/// Returns the response to an authentication, in the form recorded from Stytch.
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

fn only_request(server: &StubServer) -> ReceivedRequest {
    let request = server.requests();
    assert_eq!(request.len(), 1);
    request[0].clone()
}

#[tokio::test]
async fn sending_an_invitation_posts_its_fields() {
    let server = StubServer::always(json_response(200, &sent())).await;
    let sent = server.provider().send_invite(&invite()).await.unwrap();
    assert_eq!(sent.provider_user_id, "user-test-1");
    assert_eq!(sent.request_id.as_deref(), Some("request-id-test-1"));
    let request = only_request(&server);
    assert_eq!(request.line, "POST /v1/magic_links/email/invite");
    assert_eq!(
        request.body,
        json!({
            "email": "ada@example.com",
            "name": {"first_name": "Ada", "last_name": "Lovelace"},
            "invite_magic_link_url": "http://localhost:3000/authenticate",
            "invite_expiration_minutes": 10_080,
        })
    );
}

#[tokio::test]
async fn an_unknown_name_is_omitted() {
    let server = StubServer::always(json_response(201, &sent())).await;
    let mail = InviteMail { name: None, ..invite() };
    server.provider().send_invite(&mail).await.unwrap();
    assert_eq!(only_request(&server).body.get("name"), None);
}

#[tokio::test]
async fn sending_a_login_link_posts_the_same_urls_for_login_and_signup() {
    let server = StubServer::always(json_response(200, &sent())).await;
    server.provider().send_login(&login()).await.unwrap();
    let request = only_request(&server);
    assert_eq!(request.line, "POST /v1/magic_links/email/login_or_create");
    assert_eq!(
        request.body,
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
async fn authenticating_a_link_returns_its_session() {
    let server = StubServer::always(json_response(200, &authenticated())).await;
    let authenticated_session = server.provider().authenticate_link(TOKEN, 60).await.unwrap();
    assert_eq!(authenticated_session.session.provider_session_id, "session-test-1");
    assert_eq!(authenticated_session.session.provider_user_id, "user-test-1");
    assert_eq!(authenticated_session.session.started_at.to_string(), "2026-11-23T10:00:00.123456Z");
    assert_eq!(authenticated_session.session.expires_at.to_string(), "2026-11-23T11:00:00Z");
    assert_eq!(
        authenticated_session.tokens.session_token,
        "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY"
    );
    assert_eq!(authenticated_session.tokens.session_jwt, "eyJhbGciOiJSUzI1NiJ9.e30.c2ln");
    assert_eq!(authenticated_session.email, Some(ada()));
    let request = only_request(&server);
    assert_eq!(request.line, "POST /v1/magic_links/authenticate");
    assert_eq!(request.body, json!({"token": TOKEN, "session_duration_minutes": 60}));
}

#[tokio::test]
async fn a_refresh_does_not_extend_the_session() {
    let server = StubServer::always(json_response(200, &authenticated())).await;
    server.provider().refresh_session(TOKEN).await.unwrap();
    let request = only_request(&server);
    assert_eq!(request.line, "POST /v1/sessions/authenticate");
    assert_eq!(request.body, json!({"session_token": TOKEN}));
}

async fn authenticated_session(change: impl FnOnce(&mut Value)) -> AuthenticatedSession {
    let mut body = authenticated();
    change(&mut body);
    let server = StubServer::always(json_response(200, &body)).await;
    server.provider().authenticate_link(TOKEN, 60).await.unwrap()
}

#[tokio::test]
async fn the_address_is_the_one_named_by_method_id() {
    let other = |body: &mut Value| body["method_id"] = "email-test-2".into();
    let countess = Email::parse("countess@example.com").unwrap();
    assert_eq!(authenticated_session(other).await.email, Some(countess));

    let unknown = |body: &mut Value| body["method_id"] = "email-test-9".into();
    assert_eq!(authenticated_session(unknown).await.email, None);

    let only = |body: &mut Value| {
        body["method_id"] = Value::Null;
        body["user"]["emails"].as_array_mut().unwrap().truncate(1);
    };
    assert_eq!(authenticated_session(only).await.email, Some(ada()));
}

#[tokio::test]
async fn unexpected_fields_do_not_fail_an_authentication() {
    let unexpected = |body: &mut Value| {
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
    let authenticated_session = authenticated_session(unexpected).await;
    assert_eq!(authenticated_session.session.provider_session_id, "session-test-1");
    assert_eq!(authenticated_session.session.started_at.to_string(), "2026-11-23T10:00:00Z");
    assert_eq!(authenticated_session.email, Some(ada()));
}

/// Users can put any JSON into their metadata.
#[tokio::test]
async fn values_that_no_rust_type_holds_do_not_fail_an_authentication() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for unexpected in [deep.as_str(), r#""\ud800""#, "1e999", "-123456789012345678901234567890"] {
        let body = authenticated().to_string();
        let body =
            body.replacen(r#""roles":[]"#, &format!(r#""untrusted_metadata":{unexpected}"#), 1);
        assert!(body.contains(unexpected));
        let server = StubServer::always(response(200, "", body)).await;
        let authenticated_session = server.provider().authenticate_link(TOKEN, 60).await.unwrap();
        assert_eq!(authenticated_session.email, Some(ada()), "{unexpected}");
    }
}

#[tokio::test]
async fn ids_and_tokens_that_can_not_be_stored_or_sent_are_rejected() {
    let long = "x".repeat(129);
    for unexpected in ["", " ", "a b", "a\r\nset-cookie: b", "ädä", long.as_str()] {
        let mut sent = sent();
        sent["user_id"] = unexpected.into();
        let server = StubServer::always(json_response(200, &sent)).await;
        let error = server.provider().send_invite(&invite()).await.unwrap_err();
        assert_eq!(error.code, "invalid_response", "{unexpected:?}");
        for at in ["/session/session_id", "/session/user_id", "/session_token", "/session_jwt"] {
            let mut body = authenticated();
            *body.pointer_mut(at).unwrap() = unexpected.into();
            let server = StubServer::always(json_response(200, &body)).await;
            let result = server.provider().authenticate_link(TOKEN, 60).await;
            let is_long_token = unexpected == long && at.starts_with("/session_");
            assert_eq!(result.is_ok(), is_long_token, "{at} {unexpected:?}");
        }
    }
}

#[tokio::test]
async fn an_array_in_place_of_an_object_is_an_invalid_response() {
    let session =
        json!(["session-test-1", "user-test-1", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"]);
    for body in [json!(["user-test-1", null, null]), json!([null, "t", "j", session, {}])] {
        let server = StubServer::always(json_response(200, &body)).await;
        let provider = server.provider();
        assert_eq!(provider.send_invite(&invite()).await.unwrap_err().code, "invalid_response");
        assert_eq!(provider.delete_user("user-test-1").await.unwrap_err().code, "invalid_response");
        let result = provider.authenticate_link(TOKEN, 60).await;
        assert_eq!(result.unwrap_err().code, "invalid_response");
    }
    let body = json!(["unauthorized_credentials", "No.", "request-id-test-1"]);
    let server = StubServer::always(json_response(400, &body)).await;
    assert_eq!(server.provider().send_invite(&invite()).await.unwrap_err().code, "http_400");
}

#[tokio::test]
async fn a_response_without_a_session_is_invalid() {
    for missing in ["session_token", "session_jwt", "session"] {
        let mut body = authenticated();
        body[missing] = if missing == "session" { Value::Null } else { "".into() };
        let server = StubServer::always(json_response(200, &body)).await;
        let error = server.provider().authenticate_link(TOKEN, 60).await.unwrap_err();
        assert_eq!(
            (error.kind, error.code.as_str()),
            (ProviderErrorKind::Doubtful, "invalid_response")
        );
        assert_eq!(error.request_id.as_deref(), Some("request-id-test-1"));
    }
}

#[tokio::test]
async fn revocations_and_deletions_use_their_routes() {
    let server = StubServer::always(json_response(200, &done())).await;
    let provider = server.provider();
    provider.revoke_invite(&ada()).await.unwrap();
    provider.revoke_session("session-test-1").await.unwrap();
    provider.delete_user("user-test-1").await.unwrap();
    provider.check_credentials().await.unwrap();
    let request = server.requests();
    let lines: Vec<_> = request.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /v1/magic_links/email/revoke_invite",
            "POST /v1/sessions/revoke",
            "DELETE /v1/users/user-test-1",
            "GET /v1/debug/whoami",
        ]
    );
    assert_eq!(request[0].body, json!({"email": "ada@example.com"}));
    assert_eq!(request[1].body, json!({"session_id": "session-test-1"}));
}

#[tokio::test]
async fn revoking_or_deleting_what_does_not_exist_succeeds() {
    for (error_type, status) in [
        ("email_not_found", 404),
        ("user_not_found", 404),
        ("session_not_found", 404),
        ("invalid_session_id", 400),
        ("invalid_email", 400),
    ] {
        let server = StubServer::always(error_response(status, error_type)).await;
        let provider = server.provider();
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
async fn a_not_found_error_with_another_status_is_a_failure() {
    for status in [302, 429, 500, 502, 999] {
        for error_type in ["email_not_found", "user_not_found", "session_not_found"] {
            let server = StubServer::always(error_response(status, error_type)).await;
            let provider = server.provider();
            provider.revoke_invite(&ada()).await.unwrap_err();
            provider.revoke_session("session-test-1").await.unwrap_err();
            provider.delete_user("user-test-1").await.unwrap_err();
            provider.identity("user-test-1").await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn an_id_is_encoded_as_one_path_segment() {
    let server = StubServer::always(json_response(200, &done())).await;
    let provider = server.provider();
    provider.delete_user("a/../b?c#d%2F e").await.unwrap();
    assert_eq!(only_request(&server).line, "DELETE /v1/users/a%2F..%2Fb%3Fc%23d%252F%20e");
    for id in ["", ".", ".."] {
        let error = provider.delete_user(id).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Rejected);
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn every_request_carries_credentials_and_user_agent_on_one_connection() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let server = StubServer::always(json_response(200, &done())).await;
    let provider = server.provider();
    for _ in 0..3 {
        provider.check_credentials().await.unwrap();
    }
    let basic = format!("Basic {}", STANDARD.encode(format!("{PROJECT_ID}:{SECRET}")));
    let agent = format!("guestlist/{}", env!("CARGO_PKG_VERSION"));
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some(basic.as_str()));
        assert_eq!(request.header("user-agent"), Some(agent.as_str()));
        assert_eq!(request.connection, 1);
    }
}

#[tokio::test]
async fn a_base_url_may_have_a_path() {
    let server = StubServer::always(json_response(200, &done())).await;
    for base in ["stytch", "stytch/"] {
        let provider = provider(
            &format!("{}{base}", server.url),
            std::sync::Arc::new(crate::stub_server::clock()),
        );
        provider.check_credentials().await.unwrap();
    }
    assert!(server.requests().iter().all(|request| request.line == "GET /stytch/v1/debug/whoami"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = StubServer::always(response(308, "location: /elsewhere\r\n", "")).await;
    let error = server.provider().send_invite(&invite()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ProviderErrorKind::Misconfigured, "http_308"));
    assert_eq!(server.requests().len(), 1);
}
