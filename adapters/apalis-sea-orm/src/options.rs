//! A worker's options: what it claims, and where it takes time and ids from.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use sea_orm::DbErr;
use tokio::net::UdpSocket;
use uuid::Uuid;

use crate::{backoff::Backoff, waker::Waker};

/// Options of a [`JobQueue`](crate::JobQueue).
#[derive(Clone)]
pub struct Options {
    /// Queues to claim from, most important first: of two jobs with the same priority and `run_at`,
    /// the one of the earlier queue is claimed first.
    pub queues: Vec<String>,
    /// The worker's name, at most 64 bytes of ASCII. It MUST be unique to each start of each
    /// process, because a worker recognizes the jobs it has claimed by this name.
    pub worker: String,
    /// How long a claimed job is leased without a heartbeat. Leases are extended in their second
    /// half. The lengths used by the workers of a
    /// table must differ by less than a minute: a lease that ends later than that is treated as
    /// one granted by a clock that was ahead.
    pub lease: Duration,
    /// How often the worker polls for jobs that no [`Waker`] announced, with a jitter of ±20 %.
    pub poll: Duration,
    /// The most jobs that the worker runs at a time. A job counts until its lease is dropped or its
    /// handler calls [`JobLease::free_slot`](crate::JobLease::free_slot). While jobs end whose
    /// handlers called [`JobQueue::wait_for_start`](crate::JobQueue::wait_for_start), the worker
    /// claims up to half as many more, which wait there.
    pub concurrency: usize,
    /// Lower limits for some queues, so that others always find a free slot.
    pub limits: Vec<QueueLimit>,
    /// A rate that this worker shares with all others.
    pub rate: Option<Rate>,
    /// How long done and cancelled jobs are kept before a worker [prunes](crate::prune) them.
    /// `None` keeps them forever. Dead jobs are never pruned.
    pub retention: Option<Duration>,
    /// Application data to show beside the worker in [`inspect::workers`](crate::inspect::workers),
    /// requested at each report.
    pub info: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Called with each database error that the worker's background tasks meet, for example to
    /// close connections to a server that has become a replica.
    pub on_error: Arc<dyn Fn(&DbErr) + Send + Sync>,
    /// Longest delay of a retry or snooze. Jobs that are delayed for longer, by a worker whose clock
    /// was ahead, are treated as due. `None` disables this.
    pub max_delay: Option<Duration>,
    /// The delay of a retry for which the handler gives no time.
    pub backoff: Backoff,
    /// Wakes the worker. Pass clones to code of this process that enqueues jobs.
    pub waker: Waker,
    /// The socket at which other processes wake the worker, with
    /// [`wake_other_processes`](crate::wake_other_processes). Its address is in the worker's row;
    /// bound to a loopback address, it serves the processes of this machine.
    pub wake_socket: Option<Arc<UdpSocket>>,
    /// The source of `run_at`, `started_at` and `finished_at`. Leases never depend on it.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// The source of attempt ids.
    pub ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
}

/// The most jobs of some queues together that a worker runs at a time; see
/// [`Options::concurrency`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    /// A queue belongs to one limit at most.
    pub queues: Vec<String>,
    pub jobs: usize,
}

/// A limit on the job starts of some queues that all workers with a rate of this name share. Starts
/// are evenly spaced, never more than `per_second` in any second, and about 6 % fewer on average.
/// Handlers wait for them with [`JobQueue::wait_for_start`](crate::JobQueue::wait_for_start).
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// The rate's name, at most 64 bytes of ASCII.
    pub name: String,
    /// The queues that the rate limits.
    pub queues: Vec<String>,
    /// Starts per second, possibly fractional. At zero or less, no job starts.
    pub per_second: f64,
}

impl Options {
    /// Creates options with a lease of 10 seconds, a poll every 350 milliseconds, a concurrency of
    /// 10, the system clock and version 7 ids.
    pub fn new<S: Into<String>>(
        worker: impl Into<String>,
        queues: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            queues: queues.into_iter().map(Into::into).collect(),
            worker: worker.into(),
            lease: Duration::from_secs(10),
            poll: Duration::from_millis(350),
            concurrency: 10,
            limits: Vec::new(),
            rate: None,
            retention: None,
            max_delay: None,
            info: Arc::new(|| None),
            on_error: Arc::new(|_| {}),
            backoff: Backoff::default(),
            waker: Waker::default(),
            wake_socket: None,
            clock: Arc::new(system_time),
            ids: Arc::new(random_id),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

#[expect(clippy::disallowed_methods, reason = "the default of an injected clock")]
fn system_time() -> Timestamp {
    Timestamp::now()
}

#[expect(clippy::disallowed_methods, reason = "the default of an injected source of ids")]
fn random_id() -> Uuid {
    Uuid::now_v7()
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("worker", &self.worker)
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}
