//! How a worker works its queues, and where it takes time and ids from.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use sea_orm::DbErr;
use uuid::Uuid;

use crate::{Backoff, Rate, Waker};

/// What a [`Queue`](crate::Queue) is told.
#[derive(Clone)]
pub struct Options {
    /// The queues to work, in order of importance: of two jobs with the same priority and
    /// `run_at` the one of the earlier queue goes first.
    pub queues: Vec<String>,
    /// This worker's name, at most 64 bytes of ASCII. It MUST be another at each start of each
    /// process: it is how a worker recognises the jobs that its own claim got.
    pub worker: String,
    /// How long a claimed job stays this worker's without a heartbeat. Those of all workers of a
    /// table should differ by less than a minute: a longer one is taken for one that a clock which
    /// was ahead has given.
    pub lease: Duration,
    /// How often leases are looked after. A lease is extended once it is half over, so this
    /// should be less than a third of it.
    pub heartbeat: Duration,
    /// How often to look for jobs that nobody in this process told of; jittered by a fifth.
    pub poll: Duration,
    /// How many jobs to hold at a time.
    pub concurrency: usize,
    /// How many of them may be of that queue, for queues that are not to have them all.
    pub limits: HashMap<String, usize>,
    /// A rate that this and all other workers keep together.
    pub rate: Option<Rate>,
    /// How long done and cancelled jobs are kept before a worker [prunes](crate::prune) them; for
    /// ever if not said. Dead ones always stay.
    pub retention: Option<Duration>,
    /// What the worker says of itself on the [board](crate::board), asked at every report.
    pub info: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Called with each error of the database that the worker's own tasks meet: for an application
    /// that closes connections to a server that is a replica by now, for example.
    pub on_error: Arc<dyn Fn(&DbErr) + Send + Sync>,
    /// Longest delay of a retry or snooze. Jobs that are delayed for longer, by a worker whose clock
    /// was ahead, are treated as due. `None` disables this.
    pub longest_pause: Option<Duration>,
    /// When a failed job is tried again, if the handler does not say.
    pub backoff: Backoff,
    /// Wakes the worker. Give clones of it to whatever enqueues in this process.
    pub waker: Waker,
    /// The time for `run_at`, `started_at` and `finished_at`. Leases never depend on it.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// The ids of attempts.
    pub ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
}

impl Options {
    /// A worker of that name for those queues: ten seconds' leases with heartbeats of three, ten
    /// jobs at a time, a look every 350 ms, the system's clock and ids of version 7.
    pub fn new<S: Into<String>>(
        worker: impl Into<String>,
        queues: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            queues: queues.into_iter().map(Into::into).collect(),
            worker: worker.into(),
            lease: Duration::from_secs(10),
            heartbeat: Duration::from_secs(3),
            poll: Duration::from_millis(350),
            concurrency: 10,
            limits: HashMap::new(),
            rate: None,
            retention: None,
            longest_pause: None,
            info: Arc::new(|| None),
            on_error: Arc::new(|_| {}),
            backoff: Backoff::default(),
            waker: Waker::default(),
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
            .field("queues", &self.queues)
            .field("worker", &self.worker)
            .field("lease", &self.lease)
            .field("heartbeat", &self.heartbeat)
            .field("poll", &self.poll)
            .field("concurrency", &self.concurrency)
            .field("limits", &self.limits)
            .field("rate", &self.rate)
            .field("retention", &self.retention)
            .field("longest_pause", &self.longest_pause)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}
