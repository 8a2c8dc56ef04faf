//! Classification of failed requests and invalid responses.

use std::time::Duration;

use guestlist_domain::{
    IdentityProvider, ProviderError,
    ProviderErrorKind::{
        self as Kind, AddressTaken, BulkMailLimited, Doubtful, Misconfigured, RateLimited,
        Rejected, Unavailable,
    },
};
use guestlist_stytch::StytchProvider;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    requests::{TOKEN, ada, authenticated, invite, login},
    stub_server::{
        Reply, StubServer, error_response, json_response, provider, provider_with_short_timeout,
        response,
    },
};

const ID: Option<&str> = Some("request-id-test-1");

async fn errors_of_non_idempotent_requests(provider: &StytchProvider) -> Vec<ProviderError> {
    vec![
        provider.send_invite(&invite()).await.unwrap_err(),
        provider.send_login(&login()).await.unwrap_err(),
        provider.authenticate_link(TOKEN, 60).await.unwrap_err(),
    ]
}

async fn errors_of_idempotent_requests(provider: &StytchProvider) -> Vec<ProviderError> {
    vec![
        provider.refresh_session(TOKEN).await.unwrap_err(),
        provider.revoke_session("session-test-1").await.unwrap_err(),
        provider.revoke_invite(&ada()).await.unwrap_err(),
        provider.delete_user("user-test-1").await.unwrap_err(),
        provider.find_user(&ada()).await.unwrap_err(),
        provider.check_credentials().await.unwrap_err(),
    ]
}

async fn expect(provider: &StytchProvider, kinds: [Kind; 2], code: &str, request_id: Option<&str>) {
    for (errors, kind) in [
        (errors_of_non_idempotent_requests(provider).await, kinds[0]),
        (errors_of_idempotent_requests(provider).await, kinds[1]),
    ] {
        for error in errors {
            assert_eq!((error.kind, error.code.as_str()), (kind, code), "{error}");
            assert_eq!(error.request_id.as_deref(), request_id, "{error}");
        }
    }
}

const LOST: [Kind; 2] = [Doubtful, Unavailable];

#[tokio::test]
async fn an_error_of_a_proxy_is_classified_by_status() {
    let html = |status| response(status, "content-type: text/html\r\n", "<h1>Bad Gateway</h1>");
    for (reply, kinds, code) in [
        (html(502), LOST, "http_502"),
        (html(504), LOST, "http_504"),
        (html(500), LOST, "http_500"),
        (response(503, "", ""), LOST, "http_503"),
        (json_response(503, &json!({"message": "Service Unavailable"})), LOST, "http_503"),
        (html(403), [Rejected; 2], "http_403"),
        (response(502, "", vec![b'x'; 2 * 1024 * 1024]), LOST, "http_502"),
    ] {
        let server = StubServer::always(reply).await;
        expect(&server.provider(), kinds, code, None).await;
    }
}

#[tokio::test]
async fn an_error_of_stytch_is_classified_by_error_type() {
    for (status, code, kind) in [
        (500, "internal_server_error", Unavailable),
        (503, "server_unavailable", Unavailable),
        (400, "invalid_email", Rejected),
        (400, "duplicate_email", AddressTaken),
        (400, "billing_not_verified_for_email", Rejected),
        (401, "unauthorized_credentials", Misconfigured),
        (429, "too_many_requests", RateLimited(None)),
        (429, "too_few_tokens_authenticated", BulkMailLimited(None)),
        (429, "user_lock_limit_reached", Rejected),
        (418, "i_am_a_teapot", Rejected),
    ] {
        let server = StubServer::always(error_response(status, code)).await;
        expect(&server.provider(), [kind; 2], code, ID).await;
    }
}

#[tokio::test]
async fn an_incomplete_error_body_is_used_as_far_as_possible() {
    let body = json!({"request_id": "request-id-test-1", "error_type": 7, "error_message": []});
    let server = StubServer::always(json_response(502, &body)).await;
    expect(&server.provider(), LOST, "http_502", ID).await;
    let body = json!({"error_type": "invalid_email"});
    let server = StubServer::always(json_response(400, &body)).await;
    expect(&server.provider(), [Rejected; 2], "invalid_email", None).await;
}

#[tokio::test]
async fn a_success_with_an_invalid_body_counts_as_lost() {
    for reply in [
        response(200, "", ""),
        response(200, "content-type: text/html\r\n", "<h1>Welcome to our WiFi</h1>"),
        response(200, "", r#"{"status_code": 200, "user_id": "user-te"#),
        response(200, "", "[[["),
        response(200, "", "7"),
        response(204, "", ""),
    ] {
        let server = StubServer::always(reply).await;
        expect(&server.provider(), LOST, "invalid_response", None).await;
    }
}

#[tokio::test]
async fn a_success_is_read_up_to_4_mib() {
    // A valid response to each request, except for its length.
    let mut body = authenticated();
    body["results"] = json!([]);
    let padded = |length: usize| format!("{body}{}", " ".repeat(length));
    let server = StubServer::always(response(200, "", padded(4 * 1024 * 1024))).await;
    expect(&server.provider(), LOST, "invalid_response", None).await;
    let server = StubServer::always(response(200, "", padded(4000 * 1024))).await;
    server.provider().send_invite(&invite()).await.unwrap();
}

#[tokio::test]
async fn an_oversized_response_is_classified_without_waiting_for_its_end() {
    let long = "x".repeat(10 * 1024 * 1024);
    let endless = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n", long.len());
    for (status, kinds, code) in [
        (200, LOST, "invalid_response"),
        (429, [RateLimited(Some(Duration::from_secs(3))); 2], "http_429"),
        (404, [Rejected; 2], "http_404"),
        (502, LOST, "http_502"),
    ] {
        for rest in [
            format!("content-length: {}\r\n\r\n{long}", long.len()),
            // Without the last chunk.
            endless.clone(),
        ] {
            let whole = format!("HTTP/1.1 {status} X\r\nretry-after: 3\r\n{rest}");
            let server = StubServer::always(Reply::Bytes(whole.into_bytes(), false)).await;
            expect(&server.provider(), kinds, code, None).await;
        }
    }
}

#[tokio::test]
async fn an_invalid_body_keeps_its_request_id_and_is_not_quoted() {
    let body = json!({
        "request_id": "request-id-test-1", "user_id": ["Lovelace"], "session": "Lovelace",
        "session_token": {}, "session_jwt": false, "results": "Lovelace",
    });
    let server = StubServer::always(json_response(200, &body)).await;
    let provider = server.provider();
    let mut errors = errors_of_non_idempotent_requests(&provider).await;
    errors.push(provider.refresh_session(TOKEN).await.unwrap_err());
    errors.push(provider.find_user(&ada()).await.unwrap_err());
    for error in errors {
        assert_eq!((error.code.as_str(), error.request_id.as_deref()), ("invalid_response", ID));
        assert!(!error.message.contains("Lovelace"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_response_is_a_timeout() {
    let server = StubServer::always(Reply::Hang).await;
    expect(&provider_with_short_timeout(&server.url), LOST, "timeout", None).await;
}

#[tokio::test]
async fn an_incomplete_body_is_a_timeout() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let server = StubServer::always(Reply::Bytes(half, false)).await;
    expect(&provider_with_short_timeout(&server.url), LOST, "timeout", None).await;
}

#[tokio::test]
async fn a_broken_connection_is_a_reset() {
    let half_body = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let half_head = b"HTTP/1.1 200 OK\r\ncont".to_vec();
    let no_http = b"220 smtp.example.com ESMTP\r\n".to_vec();
    for reply in [
        Reply::Close,
        Reply::Bytes(half_body, true),
        Reply::Bytes(half_head, true),
        Reply::Bytes(no_http, true),
    ] {
        let server = StubServer::always(reply).await;
        expect(&server.provider(), LOST, "reset", None).await;
    }
}

#[tokio::test]
async fn the_status_counts_even_if_the_body_is_lost() {
    let half = b"HTTP/1.1 429 X\r\nretry-after: 3\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let server = StubServer::always(Reply::Bytes(half, true)).await;
    let kind = RateLimited(Some(Duration::from_secs(3)));
    expect(&server.provider(), [kind; 2], "http_429", None).await;
}

#[tokio::test]
async fn a_request_that_was_not_sent_is_not_doubtful() {
    // A port without a listener.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let plain = StubServer::always(response(200, "", "{}")).await;
    for url in [
        format!("http://127.0.0.1:{port}/"),
        // A name that does not resolve, or has no listener.
        "http://nobody.localhost:1/".to_owned(),
        // A server without TLS.
        plain.url.replace("http://", "https://"),
    ] {
        let provider = provider(&url, std::sync::Arc::new(crate::stub_server::clock()));
        expect(&provider, [Unavailable; 2], "connect", None).await;
    }
    assert!(plain.requests().is_empty());
}

#[tokio::test]
async fn a_rate_limit_carries_its_retry_after() {
    let body = json!({"request_id": "request-id-test-1", "error_type": "too_many_requests"});
    for (header, seconds) in [
        ("retry-after: 7\r\n", Some(7)),
        // The manual clock is at 10:00:00.
        ("Retry-After: Mon, 23 Nov 2026 10:00:42 GMT\r\n", Some(42)),
        ("retry-after: presently\r\n", None),
        ("", None),
    ] {
        let server = StubServer::always(response(429, header, body.to_string())).await;
        let kind = RateLimited(seconds.map(Duration::from_secs));
        expect(&server.provider(), [kind; 2], "too_many_requests", ID).await;
    }
}

#[tokio::test]
async fn no_request_is_sent_twice() {
    for reply in [response(503, "", ""), error_response(429, "too_many_requests"), Reply::Close] {
        let server = StubServer::always(reply).await;
        server.provider().send_invite(&invite()).await.unwrap_err();
        assert_eq!(server.requests().len(), 1);
    }
}

/// HTTP clients may repeat a request if a reused connection is closed.
#[tokio::test]
async fn no_request_is_sent_twice_over_a_reused_connection() {
    for reply in [Reply::Close, Reply::Bytes(b"HTTP/1.1 2".to_vec(), true), response(503, "", "")] {
        for call in 0..3 {
            let reply = reply.clone();
            let server = StubServer::start(move |request| match request.line.as_str() {
                "GET /v1/debug/whoami" => response(200, "", "{}"),
                _ => reply.clone(),
            })
            .await;
            let provider = server.provider();
            provider.check_credentials().await.unwrap();
            let error = match call {
                0 => provider.send_invite(&invite()).await.unwrap_err(),
                1 => provider.send_login(&login()).await.unwrap_err(),
                _ => provider.authenticate_link(TOKEN, 60).await.unwrap_err(),
            };
            assert_eq!(error.kind, Doubtful);
            let connections: Vec<_> =
                server.requests().iter().map(|request| request.connection).collect();
            assert_eq!(connections, [1, 1]);
        }
    }
}

#[tokio::test]
async fn a_message_is_truncated_and_redacted() {
    let message = format!("ada@example.com used {TOKEN} twice. {}", "Oh no! ".repeat(100));
    let body = json!({"error_type": "invalid_token", "error_message": message});
    let server = StubServer::always(json_response(400, &body)).await;
    let error = server.provider().authenticate_link(TOKEN, 60).await.unwrap_err();
    assert!(error.message.starts_with("[address] used [hidden] twice. Oh no!"), "{error}");
    assert_eq!(error.message.chars().count(), 300);
}

#[tokio::test]
async fn a_chunked_response_is_read_completely() {
    let body = authenticated().to_string();
    let (first, second) = body.split_at(100);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    let server = StubServer::always(Reply::Bytes(chunked.into_bytes(), false)).await;
    server.provider().authenticate_link(TOKEN, 60).await.unwrap();
}
