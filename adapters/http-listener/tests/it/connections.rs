//! The connection limit and the end of connections.

use http_listener::Options;
use tokio::io::AsyncWriteExt;

use crate::server::{Server, unlimited};

#[tokio::test]
async fn a_new_connection_replaces_the_one_that_has_waited_longest() {
    let server = Server::start(Options { max_connections: 3, ..unlimited() }).await;
    let mut held = server.connect().await;
    held.get("/held").await;
    server.wait_for_requests(1).await;
    let mut half = Vec::new();
    for n in 0..20 {
        let mut client = server.connect().await;
        client.get("/").await;
        assert_eq!(client.status().await, "HTTP/1.1 200 OK", "connection {n}");
        client.send("GET / HTTP/1.1\r\n").await;
        half.push(client);
    }
    let mut last = half.pop().unwrap();
    let _ = half.pop();
    for client in &mut half {
        client.closed().await;
    }
    // A connection with a request under way is not replaced.
    assert!(held.is_open() && last.is_open());
    last.send("Host: localhost\r\n\r\n").await;
    assert_eq!(last.status().await, "HTTP/1.1 200 OK");
    server.release(1);
    assert_eq!(held.status().await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_new_connection_waits_while_all_others_handle_requests() {
    let server = Server::start(Options { max_connections: 2, ..unlimited() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.get("/held").await;
        held.push(client);
    }
    server.wait_for_requests(2).await;
    let mut waiting = server.connect().await;
    waiting.get("/").await;
    assert!(held.iter().all(crate::server::Client::is_open));
    server.release(1);
    assert_eq!(waiting.status().await, "HTTP/1.1 200 OK");
    server.release(1);
    for client in &mut held {
        assert_eq!(client.status().await, "HTTP/1.1 200 OK");
    }
}

#[tokio::test]
async fn a_client_that_closes_its_sending_half_gets_its_response() {
    let server = Server::start(unlimited()).await;
    let mut client = server.connect().await;
    client.get("/held").await;
    client.0.shutdown().await.unwrap();
    server.wait_for_requests(1).await;
    server.release(1);
    assert_eq!(client.status().await, "HTTP/1.1 200 OK");
    // The connection is closed without waiting for a timeout.
    assert_eq!(client.closed().await, b"");
}

#[tokio::test]
async fn pipelined_requests_get_their_responses() {
    let server = Server::start(unlimited()).await;
    let mut client = server.connect().await;
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.send(&request.repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(client.status().await, "HTTP/1.1 200 OK");
    }
}
