//! A server that answers what a test tells it to, down to the bytes, and remembers what it was
//! asked.

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

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `POST /v1/…`
    pub(crate) line: String,
    /// In small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    /// The how-manieth connection it came over.
    pub(crate) connection: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What is done about a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These bytes, then the end of the connection if the bool says so.
    Bytes(Vec<u8>, bool),
    /// The end of the connection.
    Close,
    /// These bytes, once as many as the barrier is for have been asked for.
    Together(Arc<Barrier>, Vec<u8>),
    /// Nothing, for ever.
    Hang,
}

/// A whole answer.
pub(crate) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Reply::Bytes([head.as_bytes(), body].concat(), false)
}

pub(crate) fn json(status: u16, body: &Value) -> Reply {
    answer(status, "content-type: application/json\r\n", body.to_string())
}

/// Stytch's error envelope.
pub(crate) fn refusal(status: u16, error_type: &str) -> Reply {
    json(
        status,
        &serde_json::json!({
            "status_code": status, "request_id": "request-id-test-1", "error_type": error_type,
            "error_message": "No.", "error_url": "https://stytch.com/docs",
        }),
    )
}

/// The server; it ends with the value.
pub(crate) struct Stub {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;

impl Stub {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::default();
        let task = tokio::spawn(accept(listener, Arc::new(answer), Arc::clone(&asked)));
        Self { url, asked, task }
    }

    /// One that gives the same answer to all.
    pub(crate) async fn saying(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn provider(&self) -> StytchProvider {
        provider(&self.url, Arc::new(clock()))
    }
}

impl Drop for Stub {
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

/// One that gives up soon, for a server that never answers.
pub(crate) fn impatient(url: &str) -> StytchProvider {
    let options = Options { timeout: Duration::from_millis(200), ..options(url) };
    StytchProvider::new(options, Arc::new(clock())).unwrap()
}

async fn accept(listener: TcpListener, answer: Arc<Answer>, asked: Arc<Mutex<Vec<Asked>>>) {
    for connection in 1.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        tokio::spawn(serve(stream, connection, Arc::clone(&answer), Arc::clone(&asked)));
    }
}

async fn serve(
    stream: TcpStream,
    connection: usize,
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<Asked>>>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream, connection).await {
        asked.lock().unwrap().push(request.clone());
        match answer(&request) {
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

async fn read(stream: &mut BufReader<TcpStream>, connection: usize) -> Option<Asked> {
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
    Some(Asked { line, headers, body, connection })
}
