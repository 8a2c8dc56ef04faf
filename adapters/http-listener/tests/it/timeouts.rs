//! Timeouts and the header limit.

use std::time::Duration;

use http_listener::Options;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::server::{LONG, Server, unlimited};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_connection_with_an_incomplete_header_is_closed() {
    let server = Server::start(Options { header_timeout: SHORT, ..unlimited() }).await;
    for half in ["", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut client = server.connect().await;
        client.send(half).await;
        assert_eq!(client.closed().await, b"", "{half:?}");
    }
}

#[tokio::test]
async fn a_connection_with_a_slow_header_is_closed() {
    let server = Server::start(Options { header_timeout: SHORT, ..unlimited() }).await;
    let mut client = server.connect().await;
    let began = Instant::now();
    while client.0.write_all(b"x").await.is_ok() {
        assert!(began.elapsed() < LONG, "the connection is still open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_idle_connection_stays_open_until_the_idle_timeout() {
    let idle_timeout = SHORT * 5;
    let options = Options { header_timeout: SHORT, idle_timeout, ..unlimited() };
    let server = Server::start(options).await;
    let mut client = server.connect().await;
    client.get("/").await;
    let began = Instant::now();
    assert_eq!(client.status().await, "HTTP/1.1 200 OK");
    client.closed().await;
    assert!(began.elapsed() >= idle_timeout, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_with_an_incomplete_later_header_is_closed() {
    let server = Server::start(Options { header_timeout: SHORT, ..unlimited() }).await;
    let mut client = server.connect().await;
    client.get("/").await;
    assert_eq!(client.status().await, "HTTP/1.1 200 OK");
    client.send("GET / HTTP/1.1\r\n").await;
    assert_eq!(client.closed().await, b"");
}

#[tokio::test]
async fn the_response_to_an_incomplete_body_is_408() {
    let server = Server::start(Options { body_timeout: SHORT, ..unlimited() }).await;
    for sent in ["", "12", "1\r\n"] {
        let mut client = server.connect().await;
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n").await;
        client.send(sent).await;
        assert_eq!(client.status().await, "HTTP/1.1 408 Request Timeout");
        client.closed().await;
    }
}

#[tokio::test]
async fn the_response_to_a_slow_body_is_408() {
    let server = Server::start(Options { body_timeout: SHORT, ..unlimited() }).await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n").await;
    let (reading, mut writing) = client.0.into_split();
    let trickle = async {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let response = async {
        reading.readable().await.unwrap();
        let mut status = [0; 12];
        assert_eq!(reading.try_read(&mut status).unwrap(), status.len());
        assert_eq!(&status, b"HTTP/1.1 408");
    };
    tokio::select! {
        () = trickle => panic!("closed without a response"),
        () = response => {}
        () = tokio::time::sleep(LONG) => panic!("no response"),
    }
}

#[tokio::test]
async fn the_connection_of_a_client_that_does_not_read_is_closed() {
    let server = Server::start(Options { idle_timeout: SHORT, ..unlimited() }).await;
    let mut client = server.connect().await;
    client.get("/large").await;
    // The server closes the connection before the client starts to read.
    for _ in 0..2 {
        let mut later = server.connect().await;
        later.get("/").await;
        later.closed().await;
    }
    let received = client.closed().await;
    assert!(received.len() < 32 * 1024 * 1024, "the whole response arrived");
}

#[tokio::test]
async fn the_response_to_a_header_above_the_limit_is_431() {
    let server = Server::start(unlimited()).await;
    let mut client = server.connect().await;
    let padding = "x".repeat(24 * 1024);
    client.send(&format!("GET / HTTP/1.1\r\nHost: localhost\r\nPad: {padding}\r\n\r\n")).await;
    assert_eq!(client.status().await, "HTTP/1.1 200 OK");
    let padding = "x".repeat(40 * 1024);
    let mut client = server.connect().await;
    // The connection may be closed before everything is sent.
    let _ = client.0.write_all(format!("GET / HTTP/1.1\r\nPad: {padding}").as_bytes()).await;
    assert!(client.status().await.starts_with("HTTP/1.1 431"));
}
