//! A stub server that sends the bytes a test chooses and records requests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use guestlist_domain::{Clock, ManualClock};
use guestlist_stytch::{Options, StytchProvider};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Barrier,
    task::JoinHandle,
};

pub(crate) const PROJECT_ID: &str = "project-test-1befd812-e9e6-49fe-bdc1-c8df2bfa702a";
pub(crate) const SECRET: &str = "secret-test-8Wm6IpyGqHVzWXmUEZgLyMKUxFbJEe5RbaQ=";

#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    /// `POST /v1/…`
    pub(crate) line: String,
    /// Headers, with names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    /// The number of its connection, from 1.
    pub(crate) connection: usize,
}

impl ReceivedRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// How the server reacts to a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Sends bytes, then closes the connection if the flag is set.
    Bytes(Vec<u8>, bool),
    /// Closes the connection.
    Close,
    /// Sends bytes once all requests of the barrier have arrived.
    Together(Arc<Barrier>, Vec<u8>),
    /// Never responds.
    Hang,
}

/// Returns a complete response.
pub(crate) fn response(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Reply::Bytes([head.as_bytes(), body].concat(), false)
}

pub(crate) fn json_response(status: u16, body: &Value) -> Reply {
    response(status, "content-type: application/json\r\n", body.to_string())
}

/// Returns an error in Stytch's format.
pub(crate) fn error_response(status: u16, error_type: &str) -> Reply {
    json_response(
        status,
        &serde_json::json!({
            "status_code": status, "request_id": "request-id-test-1", "error_type": error_type,
            "error_message": "No.", "error_url": "https://stytch.com/docs",
        }),
    )
}

/// The server, which stops when dropped.
pub(crate) struct StubServer {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
    task: JoinHandle<()>,
}

type Handler = dyn Fn(&ReceivedRequest) -> Reply + Send + Sync;

impl StubServer {
    pub(crate) async fn start(
        handler: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::default();
        let task = tokio::spawn(accept(listener, Arc::new(handler), Arc::clone(&requests)));
        Self { url, requests, task }
    }

    /// Starts a server that reacts to every request in the same way.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    /// Returns the requests so far.
    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn provider(&self) -> StytchProvider {
        provider(&self.url, Arc::new(clock()))
    }
}

impl Drop for StubServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::new("2026-11-23T10:00:00Z".parse().unwrap())
}

pub(crate) fn options(url: &str) -> Options {
    Options::new(PROJECT_ID, SECRET.into(), Some(url.parse().unwrap())).unwrap()
}

pub(crate) fn provider(url: &str, clock: Arc<dyn Clock>) -> StytchProvider {
    StytchProvider::new(options(url), clock).unwrap()
}

/// Returns a provider with a timeout of 200 ms.
pub(crate) fn provider_with_short_timeout(url: &str) -> StytchProvider {
    let options = Options { timeout: Duration::from_millis(200), ..options(url) };
    StytchProvider::new(options, Arc::new(clock())).unwrap()
}

async fn accept(
    listener: TcpListener,
    handler: Arc<Handler>,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
) {
    for connection in 1.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        tokio::spawn(serve(stream, connection, Arc::clone(&handler), Arc::clone(&requests)));
    }
}

async fn serve(
    stream: TcpStream,
    connection: usize,
    handler: Arc<Handler>,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream, connection).await {
        requests.lock().unwrap().push(request.clone());
        match handler(&request) {
            Reply::Bytes(bytes, ends) => {
                let written = stream.write_all(&bytes).await;
                if ends || written.is_err() {
                    return;
                }
            }
            Reply::Together(all, bytes) => {
                all.wait().await;
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Close => return,
            Reply::Hang => std::future::pending().await,
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>, connection: usize) -> Option<ReceivedRequest> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(ReceivedRequest { line, headers, body, connection })
}
