//! The limits of a listener.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

/// The upper bound of [`share_of_descriptors`].
const MAX_CONNECTIONS: usize = 4096;
/// The lower bound of [`share_of_descriptors`], which keeps a listener usable.
const MIN_CONNECTIONS: usize = 16;

/// The limits of a listener. [`Options::new`] sets defaults.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The maximum number of open connections. Above it, a new connection replaces the one that has
    /// waited longest for a request; while all connections handle requests, new ones wait.
    pub max_connections: usize,
    /// The maximum size of a request line and its headers in bytes, at least 8 KiB. The response to a
    /// larger one is 431.
    pub max_header_bytes: usize,
    /// The maximum time from the accept, or from the first byte of a later request, to the end of
    /// the header.
    pub header_timeout: Duration,
    /// How long a connection may be idle between requests. Also how long a client may pause while
    /// it reads a response.
    pub idle_timeout: Duration,
    /// The maximum time from the end of the header to the end of the body.
    pub body_timeout: Duration,
    /// The maximum time from the shutdown to the end of the last request. Requests that take longer
    /// are dropped.
    pub drain_timeout: Duration,
}

impl Options {
    /// Creates options with the defaults: headers of 32 KiB within 10 seconds, bodies within 20
    /// seconds, 75 seconds idle (proxies keep idle connections for 60 seconds), 15 seconds to drain.
    pub fn new(max_connections: usize) -> Self {
        Self {
            max_connections,
            max_header_bytes: 32 * 1024,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(15),
        }
    }
}

/// Returns a number of connections between 16 and 4096: the process's limit of file descriptors
/// (`ulimit -n`), divided by `divisor`. Listeners share the limit with database connections, files and
/// outgoing requests.
pub fn share_of_descriptors(divisor: u64) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let share = limit
        .map_or(usize::MAX, |limit| usize::try_from(limit / divisor.max(1)).unwrap_or(usize::MAX));
    share.clamp(MIN_CONNECTIONS, MAX_CONNECTIONS)
}
