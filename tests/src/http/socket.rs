//! Raw TCP connections, for requests that no HTTP client sends.

use std::io;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::LONG;

/// A TCP connection to a program's listener.
#[derive(Debug)]
pub struct Socket(TcpStream);

impl Socket {
    /// Connects to the host and port of a URL.
    pub async fn connect(url: &str) -> Self {
        let url = Url::parse(url).unwrap();
        let host = url.host_str().unwrap().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap();
        Self(TcpStream::connect((host, port)).await.unwrap())
    }

    /// Connects, and sends a whole request or a part of one.
    pub async fn sending(url: &str, text: &str) -> Self {
        let mut socket = Self::connect(url).await;
        socket.send(text).await;
        socket
    }

    /// Sends text.
    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Closes the sending half.
    pub async fn finish_sending(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Reads until the peer closes or resets the connection.
    pub async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = timeout(LONG, self.0.read_to_end(&mut bytes)).await;
        match read.expect("the connection is closed in time") {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
        }
        String::from_utf8(bytes).unwrap()
    }
}
