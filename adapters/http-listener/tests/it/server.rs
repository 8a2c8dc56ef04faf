//! A test server, and clients that send raw bytes.

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

/// A timeout for results that are expected at once, on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);
/// A limit that no test reaches.
pub const NEVER: Duration = Duration::from_mins(10);
/// The size of the response to `/large`, which exceeds the buffers of the sockets.
const LARGE: usize = 32 * 1024 * 1024;

/// Responds to `/` at once, to `/held` after [`Server::release`], and to `/large` with a large body.
pub struct Server {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub served: JoinHandle<()>,
    /// Holds a permit for each released request to `/held`.
    held: Arc<Semaphore>,
    /// Holds a permit for each request to `/held` that has started.
    begun: Arc<Semaphore>,
}

/// Returns limits that no test reaches.
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
        let (released, started) = (Arc::clone(&held), Arc::clone(&begun));
        let make_service = move |_| {
            let (released, started) = (Arc::clone(&released), Arc::clone(&started));
            service_fn(move |request| respond(request, Arc::clone(&released), Arc::clone(&started)))
        };
        let served = tokio::spawn(serve(listener, options, stop.clone(), make_service));
        Self { address, stop, served, held, begun }
    }

    pub async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Releases `n` requests to `/held`.
    pub fn release(&self, n: usize) {
        self.held.add_permits(n);
    }

    /// Waits until `n` further requests to `/held` have started.
    pub async fn wait_for_requests(&self, n: u32) {
        timeout(LONG, self.begun.acquire_many(n)).await.unwrap().unwrap().forget();
    }
}

async fn respond(
    request: Request<RequestBody>,
    released: Arc<Semaphore>,
    started: Arc<Semaphore>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    if request.uri().path() == "/held" {
        started.add_permits(1);
        released.acquire().await?.forget();
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

    /// Reads a response without a body and returns its status line.
    pub async fn status(&mut self) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            let byte = timeout(LONG, self.0.read_u8()).await.expect("a response in time");
            text.push(byte.expect("a whole response"));
        }
        let text = String::from_utf8(text).unwrap();
        text.lines().next().unwrap().to_owned()
    }

    /// Waits until the server closes the connection and returns the bytes sent before.
    pub async fn closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset also ends the connection.
        let _ = timeout(LONG, self.0.read_to_end(&mut rest))
            .await
            .expect("the connection is closed in time");
        rest
    }

    /// Returns whether no end of the connection has been received.
    pub fn is_open(&self) -> bool {
        let read = self.0.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}
