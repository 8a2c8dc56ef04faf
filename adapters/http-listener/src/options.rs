//! The limits of a listener.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

/// The most connections of one listener, whatever the process is allowed to open.
const MOST_CONNECTIONS: usize = 4096;
/// The fewest, so that a listener works at all under a very low limit.
const FEWEST_CONNECTIONS: usize = 16;

/// The limits of a listener; [`Options::new`] has the defaults.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The number of connections open at once. For each one above it, the connection that has
    /// waited longest for a request is closed; while all of them are in a request, new ones wait.
    pub max_connections: usize,
    /// The size of a request line and its headers, in bytes, at least 8 KiB. A larger one is
    /// answered with 431.
    pub max_header_bytes: usize,
    /// The time from the accept, or from the first byte of a later request, to the end of the
    /// header.
    pub header_timeout: Duration,
    /// The time from a response to the first byte of the next request; and for a client that does
    /// not read its response, the time since it last read any of it.
    pub idle_timeout: Duration,
    /// The time from the end of the header to the end of the body.
    pub body_timeout: Duration,
    /// The time from the stop to the end of the last request. What still runs then is dropped.
    pub drain_timeout: Duration,
}

impl Options {
    /// 32 KiB of header in 10 s, a body in 20 s, 75 s idle (proxies in front keep idle connections
    /// for 60 s), 15 s to drain.
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

/// One `divisor`th of the file descriptors that this process may open (`ulimit -n`), as a number of
/// connections between 16 and 4096. The listeners of a process share the limit with its database
/// connections, files and outgoing calls.
pub fn share_of_descriptors(divisor: u64) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let share = limit
        .map_or(usize::MAX, |limit| usize::try_from(limit / divisor.max(1)).unwrap_or(usize::MAX));
    share.clamp(FEWEST_CONNECTIONS, MOST_CONNECTIONS)
}
