//! A server of the test's own, and clients that send bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use http_listener::{BodyTimedOut, BoxError, Options, RequestBody, serve};
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::service_fn;

/// For what takes a moment on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);
/// A limit that no test waits for.
pub const NEVER: Duration = Duration::from_mins(10);
/// What `/large` answers with: more than the sockets' buffers hold.
const LARGE: usize = 32 * 1024 * 1024;

/// Answers `/` at once, `/held` once [`Server::release`] was called, `/large` with much.
pub struct Server {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub served: JoinHandle<()>,
    /// Has a permit for each request to `/held` that may be answered.
    held: Arc<Semaphore>,
    /// Has a permit for each request to `/held` that has begun.
    begun: Arc<Semaphore>,
}

/// Limits that no test waits for, to be changed where one is to be seen.
pub fn unlimited() -> Options {
    Options {
        header_timeout: NEVER,
        idle_timeout: NEVER,
        body_timeout: NEVER,
        drain_timeout: NEVER,
        ..Options::new(100)
    }
}

impl Server {
    pub async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (held, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (may_answer, has_begun) = (Arc::clone(&held), Arc::clone(&begun));
        let make_service = move |_| {
            let (may_answer, has_begun) = (Arc::clone(&may_answer), Arc::clone(&has_begun));
            service_fn(move |request| {
                answer(request, Arc::clone(&may_answer), Arc::clone(&has_begun))
            })
        };
        let served = tokio::spawn(serve(listener, options, stop.clone(), make_service));
        Self { address, stop, served, held, begun }
    }

    pub async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Lets `n` requests to `/held` be answered.
    pub fn release(&self, n: usize) {
        self.held.add_permits(n);
    }

    /// Waits until `n` more requests to `/held` have begun.
    pub async fn has_begun(&self, n: u32) {
        timeout(LONG, self.begun.acquire_many(n)).await.unwrap().unwrap().forget();
    }
}

async fn answer(
    request: Request<RequestBody>,
    may_answer: Arc<Semaphore>,
    has_begun: Arc<Semaphore>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    if request.uri().path() == "/held" {
        has_begun.add_permits(1);
        may_answer.acquire().await?.forget();
    }
    if request.uri().path() == "/large" {
        return Ok(Response::new(vec![0; LARGE].into()));
    }
    match request.into_body().collect().await {
        Ok(body) => Ok(Response::new(body.to_bytes().into())),
        Err(error) if error.is::<BodyTimedOut>() => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

/// A connection.
pub struct Client(pub TcpStream);

impl Client {
    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a request without a body.
    pub async fn get(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    }

    /// Reads a response without a body; the first line of it.
    pub async fn status(&mut self) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            let byte = timeout(LONG, self.0.read_u8()).await.expect("a response in time");
            text.push(byte.expect("a whole response"));
        }
        let text = String::from_utf8(text).unwrap();
        text.lines().next().unwrap().to_owned()
    }

    /// Waits until the server has closed the connection; what it sent before.
    pub async fn closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = timeout(LONG, self.0.read_to_end(&mut rest)).await.expect("the end in time");
        rest
    }

    /// Whether it is open, as far as can be seen.
    pub fn is_open(&self) -> bool {
        let read = self.0.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}
