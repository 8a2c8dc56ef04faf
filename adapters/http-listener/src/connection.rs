//! The state of a connection, the task that serves it, and the bodies of its requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::io::{InspectReader, InspectWriter};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use crate::{BoxError, Options};

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
    let handler = service_fn(|request: Request<_>| {
        *connection.phase.lock() = Phase::Request;
        let deadline = Instant::now() + options.body_timeout;
        let request = request.map(|incoming| RequestBody::new(incoming, deadline));
        let handled = service.clone().oneshot(request);
        async {
            let response = handled.await;
            *connection.phase.lock() = Phase::Idle(Instant::now());
            response
        }
    });
    let io = InspectReader::new(stream, |bytes: &[u8]| connection.record_read(bytes));
    let io = InspectWriter::new(io, |_: &[u8]| connection.record_write());
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // The accept loop closes connections, because idle ones and incomplete headers have different
        // timeouts.
        .header_read_timeout(None)
        // A client may close its sending half after a request and still gets the response.
        .half_close(true)
        .max_header_size(options.max_header_bytes)
        .max_buf_size(options.max_header_bytes)
        .serve_connection(TokioIo::new(io), handler);
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

/// The body was not complete within [`Options::body_timeout`](crate::Options::body_timeout).
/// Services should respond with 408.
#[derive(Debug, Clone, Copy, Error)]
#[error("the body was not complete in time")]
pub struct BodyTimedOut;

/// A request body. Reading it fails with [`BodyTimedOut`] if it is not complete in time.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    deadline: Instant,
    /// Created on the first wait, because most bodies arrive with their header.
    timer: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, deadline: Instant) -> Self {
        Self { incoming, deadline, timer: None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut body.incoming).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = body.deadline;
        let timer = body.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        timer.as_mut().poll(context).map(|()| Some(Err(BodyTimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
