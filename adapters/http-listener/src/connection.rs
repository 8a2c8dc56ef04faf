//! A connection: its state, and the task that serves it.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::io::{InspectReader, InspectWriter};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use crate::{BoxError, Options, RequestBody};

/// The state of a connection, which its task shares with the accept loop.
#[derive(Debug)]
pub(crate) struct Connection {
    phase: Mutex<Phase>,
    close: Notify,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Waits for a complete header. The time is that of the header's first byte, or of the accept.
    Header(Instant),
    /// The service handles a request.
    Request,
    /// Waits for the next request. The time is that of the last write of a response.
    Idle(Instant),
}

impl Connection {
    pub(crate) fn new() -> Self {
        Self { phase: Mutex::new(Phase::Header(Instant::now())), close: Notify::new() }
    }

    /// Returns the time since which the connection has waited for the client, or none while a request
    /// is handled.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        match *self.phase.lock() {
            Phase::Header(since) | Phase::Idle(since) => Some(since),
            Phase::Request => None,
        }
    }

    pub(crate) fn is_overdue(&self, options: &Options) -> bool {
        match *self.phase.lock() {
            Phase::Header(since) => since.elapsed() >= options.header_timeout,
            Phase::Idle(since) => since.elapsed() >= options.idle_timeout,
            Phase::Request => false,
        }
    }

    /// Closes the connection, unless a request has started in the meantime.
    pub(crate) fn close(&self) {
        self.close.notify_one();
    }

    /// Passes a request to the service. Until its response, the connection is not overdue.
    fn handle<S: Service<Request<RequestBody>>>(
        &self,
        request: Request<Incoming>,
        service: S,
        body_timeout: Duration,
    ) -> impl Future<Output = Result<S::Response, S::Error>> {
        *self.phase.lock() = Phase::Request;
        let deadline = Instant::now() + body_timeout;
        let request = request.map(|incoming| RequestBody::new(incoming, deadline));
        let handled = service.oneshot(request);
        async {
            let response = handled.await;
            *self.phase.lock() = Phase::Idle(Instant::now());
            response
        }
    }

    fn record_read(&self, bytes: &[u8]) {
        let mut phase = self.phase.lock();
        if !bytes.is_empty() && matches!(*phase, Phase::Idle(_)) {
            *phase = Phase::Header(Instant::now());
        }
    }

    fn record_write(&self) {
        let mut phase = self.phase.lock();
        if let Phase::Idle(since) = &mut *phase {
            *since = Instant::now();
        }
    }
}

fn http(options: &Options) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // The accept loop closes connections, because idle ones and incomplete headers have different
        // timeouts.
        .header_read_timeout(None)
        // A client may close its sending half after a request and still gets the response.
        .half_close(true)
        .max_header_size(options.max_header_bytes)
        .max_buf_size(options.max_header_bytes);
    http
}

/// Serves a connection until it ends, is closed, or has answered its last request after `stop`.
pub(crate) async fn run<S, B>(
    stream: TcpStream,
    connection: Arc<Connection>,
    service: S,
    options: Options,
    stop: CancellationToken,
) where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    // Otherwise a small response waits for the acknowledgement of the previous one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it was served");
        return;
    }
    let handler =
        service_fn(|request| connection.handle(request, service.clone(), options.body_timeout));
    let io = InspectReader::new(stream, |bytes: &[u8]| connection.record_read(bytes));
    let io = InspectWriter::new(io, |_: &[u8]| connection.record_write());
    let serving = http(&options).serve_connection(TokioIo::new(io), handler);
    tokio::pin!(serving);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            ended = &mut serving => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended with an error");
                }
                return;
            }
            () = connection.close.notified() => {
                if connection.waiting_since().is_some() {
                    return;
                }
            }
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}
