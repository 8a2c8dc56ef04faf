//! Shutdown.

use std::time::Duration;

use http_listener::Options;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::{LONG, Server, unlimited};

#[tokio::test]
async fn a_request_under_way_gets_its_response_after_the_shutdown() {
    let server = Server::start(unlimited()).await;
    let mut client = server.connect().await;
    client.get("/held").await;
    server.wait_for_requests(1).await;
    server.stop.cancel();
    server.release(1);
    assert_eq!(client.status().await, "HTTP/1.1 200 OK");
    assert_eq!(client.closed().await, b"");
    timeout(LONG, server.served).await.expect("the server stopped").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "the server still listens");
}

#[tokio::test]
async fn connections_that_wait_for_their_client_do_not_delay_the_shutdown() {
    let server = Server::start(unlimited()).await;
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.send("GET / HTTP/1.1\r\n").await;
    let mut idle = server.connect().await;
    idle.get("/").await;
    assert_eq!(idle.status().await, "HTTP/1.1 200 OK");
    let mut unread = server.connect().await;
    unread.get("/large").await;
    server.stop.cancel();
    timeout(LONG, server.served).await.expect("the server stopped").unwrap();
    for client in [&mut silent, &mut half, &mut idle, &mut unread] {
        client.closed().await;
    }
}

#[tokio::test]
async fn a_request_beyond_the_drain_timeout_is_dropped() {
    let drain_timeout = Duration::from_millis(300);
    let server = Server::start(Options { drain_timeout, ..unlimited() }).await;
    let mut client = server.connect().await;
    client.get("/held").await;
    server.wait_for_requests(1).await;
    server.stop.cancel();
    timeout(LONG, server.served).await.expect("the server stopped").unwrap();
    assert_eq!(client.closed().await, b"");
}

#[tokio::test]
async fn the_server_stops_while_new_connections_wait() {
    let drain_timeout = Duration::from_millis(300);
    let options = Options { drain_timeout, max_connections: 1, ..unlimited() };
    let server = Server::start(options).await;
    let mut held = server.connect().await;
    held.get("/held").await;
    server.wait_for_requests(1).await;
    let _waiting = server.connect().await;
    server.stop.cancel();
    timeout(LONG, server.served).await.expect("the server stopped").unwrap();
}
