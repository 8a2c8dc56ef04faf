//! Every way in which an answer can be bad, or not come.

use std::time::Duration;

use guestlist_domain::{
    IdentityProvider, ProviderError,
    ProviderErrorKind::{
        self as Kind, AddressTaken, BulkMailLimited, Doubtful, Misconfigured, RateLimited, Rejected, Unavailable,
    },
};
use guestlist_stytch::StytchProvider;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    calls::{TOKEN, ada, authenticated, invite, login},
    stub::{Reply, Stub, answer, impatient, json as says, provider, refusal},
};

const ID: Option<&str> = Some("request-id-test-1");

/// The errors of calls that must not be done twice.
async fn felt(provider: &StytchProvider) -> Vec<ProviderError> {
    vec![
        provider.send_invite(&invite()).await.unwrap_err(),
        provider.send_login(&login()).await.unwrap_err(),
        provider.authenticate_link(TOKEN, 60).await.unwrap_err(),
    ]
}

/// The errors of calls that may be.
async fn harmless(provider: &StytchProvider) -> Vec<ProviderError> {
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
    for (errors, kind) in [(felt(provider).await, kinds[0]), (harmless(provider).await, kinds[1])] {
        for error in errors {
            assert_eq!((error.kind, error.code.as_str()), (kind, code), "{error}");
            assert_eq!(error.request_id.as_deref(), request_id, "{error}");
        }
    }
}

const LOST: [Kind; 2] = [Doubtful, Unavailable];

#[tokio::test]
async fn an_answer_of_the_edge_is_judged_by_its_status() {
    let html = |status| answer(status, "content-type: text/html\r\n", "<h1>Bad Gateway</h1>");
    for (reply, kinds, code) in [
        (html(502), LOST, "http_502"),
        (html(504), LOST, "http_504"),
        (html(500), LOST, "http_500"),
        (answer(503, "", ""), LOST, "http_503"),
        (says(503, &json!({"message": "Service Unavailable"})), LOST, "http_503"),
        (html(403), [Rejected; 2], "http_403"),
        (answer(502, "", vec![b'x'; 2 * 1024 * 1024]), LOST, "http_502"),
    ] {
        let stub = Stub::saying(reply).await;
        expect(&stub.provider(), kinds, code, None).await;
    }
}

#[tokio::test]
async fn an_answer_of_stytch_is_judged_by_its_word() {
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
        let stub = Stub::saying(refusal(status, code)).await;
        expect(&stub.provider(), [kind; 2], code, ID).await;
    }
}

#[tokio::test]
async fn half_an_envelope_keeps_what_there_is() {
    let body = json!({"request_id": "request-id-test-1", "error_type": 7, "error_message": []});
    let stub = Stub::saying(says(502, &body)).await;
    expect(&stub.provider(), LOST, "http_502", ID).await;
    let body = json!({"error_type": "invalid_email"});
    let stub = Stub::saying(says(400, &body)).await;
    expect(&stub.provider(), [Rejected; 2], "invalid_email", None).await;
}

#[tokio::test]
async fn a_success_that_can_not_be_read_is_a_lost_answer() {
    for reply in [
        answer(200, "", ""),
        answer(200, "content-type: text/html\r\n", "<h1>Welcome to our WiFi</h1>"),
        answer(200, "", r#"{"status_code": 200, "user_id": "user-te"#),
        answer(200, "", "[[["),
        answer(200, "", "7"),
        answer(204, "", ""),
    ] {
        let stub = Stub::saying(reply).await;
        expect(&stub.provider(), LOST, "bad_answer", None).await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_not_read_to_its_end() {
    // Good for each of the calls, if it were shorter.
    let mut body = authenticated();
    body["results"] = json!([]);
    let padded = |length: usize| format!("{body}{}", " ".repeat(length));
    let stub = Stub::saying(answer(200, "", padded(4 * 1024 * 1024))).await;
    expect(&stub.provider(), LOST, "bad_answer", None).await;
    let stub = Stub::saying(answer(200, "", padded(4000 * 1024))).await;
    stub.provider().send_invite(&invite()).await.unwrap();
}

#[tokio::test]
async fn ten_megabytes_are_judged_by_their_status_and_their_end_is_not_waited_for() {
    let long = "x".repeat(10 * 1024 * 1024);
    let endless = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n", long.len());
    for (status, kinds, code) in [
        (200, LOST, "bad_answer"),
        (429, [RateLimited(Some(Duration::from_secs(3))); 2], "http_429"),
        (404, [Rejected; 2], "http_404"),
        (502, LOST, "http_502"),
    ] {
        for rest in [
            format!("content-length: {}\r\n\r\n{long}", long.len()),
            // Its end never comes.
            endless.clone(),
        ] {
            let whole = format!("HTTP/1.1 {status} X\r\nretry-after: 3\r\n{rest}");
            let stub = Stub::saying(Reply::Bytes(whole.into_bytes(), false)).await;
            expect(&stub.provider(), kinds, code, None).await;
        }
    }
}

#[tokio::test]
async fn wrong_types_are_a_bad_answer_that_still_says_its_request_id() {
    let body = json!({
        "request_id": "request-id-test-1", "user_id": ["Lovelace"], "session": "Lovelace",
        "session_token": {}, "session_jwt": false, "results": "Lovelace",
    });
    let stub = Stub::saying(says(200, &body)).await;
    let provider = stub.provider();
    let mut errors = felt(&provider).await;
    errors.push(provider.refresh_session(TOKEN).await.unwrap_err());
    errors.push(provider.find_user(&ada()).await.unwrap_err());
    for error in errors {
        assert_eq!((error.code.as_str(), error.request_id.as_deref()), ("bad_answer", ID));
        assert!(!error.message.contains("Lovelace"), "{error}");
    }
}

#[tokio::test]
async fn no_answer_in_time_is_a_timeout() {
    let stub = Stub::saying(Reply::Hang).await;
    expect(&impatient(&stub.url), LOST, "timeout", None).await;
}

#[tokio::test]
async fn half_a_body_and_then_silence_is_a_timeout() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let stub = Stub::saying(Reply::Bytes(half, false)).await;
    expect(&impatient(&stub.url), LOST, "timeout", None).await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_reset() {
    let half_body = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let half_head = b"HTTP/1.1 200 OK\r\ncont".to_vec();
    let no_http = b"220 smtp.example.com ESMTP\r\n".to_vec();
    for reply in [
        Reply::Close,
        Reply::Bytes(half_body, true),
        Reply::Bytes(half_head, true),
        Reply::Bytes(no_http, true),
    ] {
        let stub = Stub::saying(reply).await;
        expect(&stub.provider(), LOST, "reset", None).await;
    }
}

#[tokio::test]
async fn the_status_counts_even_where_the_body_is_lost() {
    let half = b"HTTP/1.1 429 X\r\nretry-after: 3\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let stub = Stub::saying(Reply::Bytes(half, true)).await;
    let kind = RateLimited(Some(Duration::from_secs(3)));
    expect(&stub.provider(), [kind; 2], "http_429", None).await;
}

#[tokio::test]
async fn what_was_never_sent_is_not_doubtful() {
    // A port where nobody listens, for the listener is gone.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let plain = Stub::saying(answer(200, "", "{}")).await;
    for url in [
        format!("http://127.0.0.1:{port}/"),
        // No such name; and where there is, nobody listens.
        "http://nobody.localhost:1/".to_owned(),
        // No TLS there.
        plain.url.replace("http://", "https://"),
    ] {
        let provider = provider(&url, std::sync::Arc::new(crate::stub::clock()));
        expect(&provider, [Unavailable; 2], "connect", None).await;
    }
    assert!(plain.asked().is_empty());
}

#[tokio::test]
async fn a_rate_limit_says_how_long_where_it_was_said() {
    let body = json!({"request_id": "request-id-test-1", "error_type": "too_many_requests"});
    for (header, seconds) in [
        ("retry-after: 7\r\n", Some(7)),
        // The clock of the tests stands at 10:00:00.
        ("Retry-After: Mon, 23 Nov 2026 10:00:42 GMT\r\n", Some(42)),
        ("retry-after: presently\r\n", None),
        ("", None),
    ] {
        let stub = Stub::saying(answer(429, header, body.to_string())).await;
        let kind = RateLimited(seconds.map(Duration::from_secs));
        expect(&stub.provider(), [kind; 2], "too_many_requests", ID).await;
    }
}

#[tokio::test]
async fn nothing_is_sent_twice() {
    for reply in [answer(503, "", ""), refusal(429, "too_many_requests"), Reply::Close] {
        let stub = Stub::saying(reply).await;
        stub.provider().send_invite(&invite()).await.unwrap_err();
        assert_eq!(stub.asked().len(), 1);
    }
}

/// A client that thinks its connection was closed meanwhile likes to ask again on another.
#[tokio::test]
async fn nothing_is_sent_twice_over_a_connection_that_was_good_before() {
    for reply in [Reply::Close, Reply::Bytes(b"HTTP/1.1 2".to_vec(), true), answer(503, "", "")] {
        for call in 0..3 {
            let reply = reply.clone();
            let stub = Stub::start(move |asked| match asked.line.as_str() {
                "GET /v1/debug/whoami" => answer(200, "", "{}"),
                _ => reply.clone(),
            })
            .await;
            let provider = stub.provider();
            provider.check_credentials().await.unwrap();
            let error = match call {
                0 => provider.send_invite(&invite()).await.unwrap_err(),
                1 => provider.send_login(&login()).await.unwrap_err(),
                _ => provider.authenticate_link(TOKEN, 60).await.unwrap_err(),
            };
            assert_eq!(error.kind, Doubtful);
            let connections: Vec<_> = stub.asked().iter().map(|asked| asked.connection).collect();
            assert_eq!(connections, [1, 1]);
        }
    }
}

#[tokio::test]
async fn a_message_is_short_and_names_nobody() {
    let message = format!("ada@example.com used {TOKEN} twice. {}", "Oh no! ".repeat(100));
    let body = json!({"error_type": "invalid_token", "error_message": message});
    let stub = Stub::saying(says(400, &body)).await;
    let error = stub.provider().authenticate_link(TOKEN, 60).await.unwrap_err();
    assert!(error.message.starts_with("[address] used [hidden] twice. Oh no!"), "{error}");
    assert_eq!(error.message.chars().count(), 300);
}

#[tokio::test]
async fn an_answer_in_pieces_is_read_whole() {
    let body = authenticated().to_string();
    let (first, second) = body.split_at(100);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    let stub = Stub::saying(Reply::Bytes(chunked.into_bytes(), false)).await;
    stub.provider().authenticate_link(TOKEN, 60).await.unwrap();
}
