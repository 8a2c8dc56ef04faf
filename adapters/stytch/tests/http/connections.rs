//! Reuse of connections.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::future::join_all;
use guestlist_domain::IdentityProvider;
use guestlist_stytch::StytchProvider;
use serde_json::json;
use tokio::sync::Barrier;

use crate::{
    requests::{TOKEN, ada, authenticated, invite},
    stub_server::{Reply, StubServer, error_response, json_response, response},
};

/// Returns the connection numbers of the requests so far.
fn connections(server: &StubServer) -> Vec<usize> {
    server.requests().iter().map(|request| request.connection).collect()
}

/// Starts a server that sends these responses in turn.
async fn serving(replies: Vec<Reply>) -> StubServer {
    let turn = AtomicUsize::new(0);
    StubServer::start(move |_| replies[turn.fetch_add(1, Ordering::SeqCst) % replies.len()].clone())
        .await
}

async fn call_each(provider: &StytchProvider) {
    let _ = provider.send_invite(&invite()).await;
    let _ = provider.authenticate_link(TOKEN, 60).await;
    let _ = provider.revoke_session("session-test-1").await;
    let _ = provider.delete_user("user-test-1").await;
    let _ = provider.find_user(&ada()).await;
    let _ = provider.check_credentials().await;
}

#[tokio::test]
async fn sequential_requests_share_one_connection_after_any_response() {
    let body = authenticated().to_string();
    let (first, second) = body.split_at(100);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    let server = serving(vec![
        json_response(200, &authenticated()),
        error_response(404, "user_not_found"),
        error_response(429, "too_many_requests"),
        response(500, "content-type: text/html\r\n", "<h1>Oh no</h1>"),
        Reply::Bytes(chunked.into_bytes(), false),
        response(502, "", vec![b'x'; 2 * 1024 * 1024]),
        response(503, "", ""),
        response(200, "", "not JSON"),
        response(302, "location: /\r\n", "elsewhere"),
        Reply::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false),
        json_response(400, &json!(["odd"])),
    ])
    .await;
    let provider = server.provider();
    for _ in 0..4 {
        call_each(&provider).await;
    }
    assert_eq!(connections(&server), vec![1; 24]);
}

#[tokio::test]
async fn an_oversized_response_closes_only_its_own_connection() {
    let server = serving(vec![
        response(200, "", vec![b' '; 10 * 1024 * 1024]),
        json_response(200, &json!({})),
        response(503, "", vec![b' '; 10 * 1024 * 1024]),
        json_response(200, &json!({})),
    ])
    .await;
    let provider = server.provider();
    for is_ok in [false, true, false, true] {
        assert_eq!(provider.check_credentials().await.is_ok(), is_ok);
    }
    assert_eq!(connections(&server), [1, 2, 2, 3]);
}

#[tokio::test]
async fn concurrent_requests_use_one_connection_each_and_reuse_them() {
    const CONCURRENT: usize = 8;
    // No response is sent before all requests have arrived.
    let barrier = Arc::new(Barrier::new(CONCURRENT));
    let success = b"HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n{}".to_vec();
    let server = StubServer::always(Reply::Together(barrier, success)).await;
    let provider = server.provider();
    for _ in 0..3 {
        let calls = (0..CONCURRENT).map(|_| provider.check_credentials());
        assert!(join_all(calls).await.into_iter().all(|result| result.is_ok()));
    }
    let used = connections(&server);
    assert_eq!(used.len(), 3 * CONCURRENT);
    assert_eq!(used.into_iter().collect::<BTreeSet<_>>(), (1..=CONCURRENT).collect());
}
