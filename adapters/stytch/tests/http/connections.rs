//! Connections are made once and used again, whatever came over them.

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
    calls::{TOKEN, ada, authenticated, invite},
    stub::{Reply, Stub, answer, json as says, refusal},
};

/// The connection of each request so far.
fn connections(stub: &Stub) -> Vec<usize> {
    stub.asked().iter().map(|asked| asked.connection).collect()
}

/// One that gives these answers in turn.
async fn giving(replies: Vec<Reply>) -> Stub {
    let turn = AtomicUsize::new(0);
    Stub::start(move |_| replies[turn.fetch_add(1, Ordering::SeqCst) % replies.len()].clone()).await
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
async fn calls_after_each_other_use_one_connection_whatever_is_answered() {
    let body = authenticated().to_string();
    let (first, second) = body.split_at(100);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    let stub = giving(vec![
        says(200, &authenticated()),
        refusal(404, "user_not_found"),
        refusal(429, "too_many_requests"),
        answer(500, "content-type: text/html\r\n", "<h1>Oh no</h1>"),
        Reply::Bytes(chunked.into_bytes(), false),
        answer(502, "", vec![b'x'; 2 * 1024 * 1024]),
        answer(503, "", ""),
        answer(200, "", "not JSON"),
        answer(302, "location: /\r\n", "elsewhere"),
        Reply::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false),
        says(400, &json!(["odd"])),
    ])
    .await;
    let provider = stub.provider();
    for _ in 0..4 {
        call_each(&provider).await;
    }
    assert_eq!(connections(&stub), vec![1; 24]);
}

#[tokio::test]
async fn an_answer_that_is_not_read_to_its_end_costs_one_connection_and_no_more() {
    let stub = giving(vec![
        answer(200, "", vec![b' '; 10 * 1024 * 1024]),
        says(200, &json!({})),
        answer(503, "", vec![b' '; 10 * 1024 * 1024]),
        says(200, &json!({})),
    ])
    .await;
    let provider = stub.provider();
    for is_ok in [false, true, false, true] {
        assert_eq!(provider.check_credentials().await.is_ok(), is_ok);
    }
    assert_eq!(connections(&stub), [1, 2, 2, 3]);
}

#[tokio::test]
async fn as_many_connections_are_made_as_calls_are_under_way_at_once() {
    const AT_ONCE: usize = 8;
    // None is answered before all are asked.
    let all_here = Arc::new(Barrier::new(AT_ONCE));
    let good = b"HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n{}".to_vec();
    let stub = Stub::saying(Reply::Together(all_here, good)).await;
    let provider = stub.provider();
    for _ in 0..3 {
        let calls = (0..AT_ONCE).map(|_| provider.check_credentials());
        assert!(join_all(calls).await.into_iter().all(|answer| answer.is_ok()));
    }
    let used = connections(&stub);
    assert_eq!(used.len(), 3 * AT_ONCE);
    assert_eq!(used.into_iter().collect::<BTreeSet<_>>(), (1..=AT_ONCE).collect());
}
