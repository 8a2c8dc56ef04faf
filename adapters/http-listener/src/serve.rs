//! The accept loop.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Body;
use hyper::{Request, Response};
use tokio::net::TcpListener;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::connection::{self, Connection};
use crate::{BoxError, Options, RequestBody};

/// The interval of checks for overdue connections.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// The interval of attempts while no file descriptor or no connection is free.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// The minimum interval of log events about failed accepts.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// The time after the shutdown in which an arriving request may still start.
const LAST_REQUEST_TIME: Duration = Duration::from_secs(1);

/// Serves HTTP/1.1 until `stop` is cancelled, then lets requests under way end within
/// [`Options::drain_timeout`].
///
/// `make_service` creates the service of each connection from the client's address. An error of the
/// service drops the connection without a response.
pub async fn serve<M, S, B>(
    listener: TcpListener,
    options: Options,
    stop: CancellationToken,
    make_service: M,
) where
    M: Fn(SocketAddr) -> S,
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let mut connections = Connections::default();
    let mut sweep = interval(SWEEP_INTERVAL.min(options.header_timeout / 2).max(RETRY_INTERVAL));
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut logged_at: Option<Instant> = None;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            Some(ended) = connections.tasks.join_next_with_id() => connections.remove(ended),
            _ = sweep.tick() => connections.close_overdue(&options),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.make_room(options.max_connections, &stop).await;
                    let connection = Arc::new(Connection::new());
                    let state = Arc::clone(&connection);
                    let service = make_service(peer);
                    let run = connection::run(stream, state, service, options, stop.clone());
                    let task = connections.tasks.spawn(run);
                    connections.open.insert(task.id(), connection);
                }
                Err(error) if is_client_error(&error) => {}
                Err(error) => {
                    // Usually no file descriptor is left.
                    if logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                        logged_at = Some(Instant::now());
                        tracing::warn!(%error, "failed to accept connections");
                    }
                    connections.close_longest_waiting();
                    stop.run_until_cancelled(sleep(RETRY_INTERVAL)).await;
                }
            },
        }
    }
    drop(listener);
    connections.drain(options.drain_timeout).await;
}

/// Returns whether an accept failed because the client has disconnected.
fn is_client_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    open: HashMap<Id, Arc<Connection>>,
}

impl Connections {
    fn remove(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a connection's task panicked");
                error.id()
            }
        };
        self.open.remove(&id);
    }

    fn close_overdue(&self, options: &Options) {
        self.open.values().filter(|open| open.is_overdue(options)).for_each(|open| open.close());
    }

    fn close_longest_waiting(&self) {
        let waiting = self.open.values().filter_map(|open| Some((open.waiting_since()?, open)));
        if let Some((_, longest)) = waiting.min_by_key(|(since, _)| *since) {
            longest.close();
        }
    }

    /// Waits until there are fewer connections than `max`, and closes one that waits for its client.
    async fn make_room(&mut self, max: usize, stop: &CancellationToken) {
        while self.tasks.len() >= max && !stop.is_cancelled() {
            self.close_longest_waiting();
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.tasks.join_next_with_id() => self.remove(ended),
                // The connection may have started a request in the meantime; then another is closed.
                () = sleep(RETRY_INTERVAL) => {}
            }
        }
    }

    /// Waits for requests under way and closes connections that wait for their client.
    async fn drain(mut self, limit: Duration) {
        let ended = async {
            while !self.tasks.is_empty() {
                let waiting = self.open.values().filter(|open| {
                    open.waiting_since().is_some_and(|since| since.elapsed() >= LAST_REQUEST_TIME)
                });
                waiting.for_each(|open| open.close());
                tokio::select! {
                    Some(ended) = self.tasks.join_next_with_id() => self.remove(ended),
                    () = sleep(RETRY_INTERVAL) => {}
                }
            }
        };
        if timeout(limit, ended).await.is_err() {
            let requests = self.tasks.len();
            tracing::warn!(requests, "dropped requests that did not end in time");
        }
        // Dropping the set aborts the remaining tasks.
    }
}
