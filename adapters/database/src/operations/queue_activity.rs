//! The throughput and latency of queues in the last hour.

use std::time::Duration;

use apalis_sea_orm::inspect;
use guestlist_domain::QueueName;
use jiff::Timestamp;

use crate::error::{StoreResult, store_error};
use crate::store::SqlStore;

const MINUTE: Duration = Duration::from_mins(1);
const MINUTES: usize = 60;

/// The activity of all queues in the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity(pub Vec<QueueActivity>);

/// The activity of a queue in the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueActivity {
    pub queue: QueueName,
    /// The time from when a job was due until a worker claimed it.
    pub wait: Quantiles,
    /// The time from the claim to the end of the attempt.
    pub run: Quantiles,
    /// Sixty minutes, oldest first. The last one is the current minute.
    pub minutes: Vec<Minute>,
}

/// Quantiles of durations. `None` if nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quantiles {
    pub p50: Option<Duration>,
    pub p95: Option<Duration>,
    pub p99: Option<Duration>,
}

/// The attempts that ended in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    pub at: Timestamp,
    pub done: u64,
    /// Attempts that failed: retried, dead, or lost with their worker.
    pub failed: u64,
}

impl SqlStore {
    pub async fn activity(&self, now: Timestamp) -> StoreResult<Activity> {
        let minute = now.as_second().div_euclid(60) * 60;
        let current = Timestamp::from_second(minute).unwrap_or(now);
        let ago = |n: usize| current - MINUTE * u32::try_from(MINUTES - 1 - n).unwrap_or(0);
        let since = ago(0);
        let read = self.database.read();
        let minutes = inspect::minutes(read, since).await.map_err(store_error)?;
        let times = inspect::times(read, since).await.map_err(store_error)?;
        let queues = QueueName::ALL.iter().map(|queue| {
            let row =
                |at: Timestamp| minutes.iter().find(|m| m.at == at && m.queue == queue.as_str());
            let per_minute = (0..MINUTES).map(|n| count(ago(n), row(ago(n))));
            let times = times.get(queue.as_str());
            QueueActivity {
                queue: *queue,
                wait: times.map(|times| quantiles(&times.wait)).unwrap_or_default(),
                run: times.map(|times| quantiles(&times.run)).unwrap_or_default(),
                minutes: per_minute.collect(),
            }
        });
        Ok(Activity(queues.collect()))
    }
}

fn count(at: Timestamp, row: Option<&inspect::Minute>) -> Minute {
    let done = row.map_or(0, |minute| minute.done);
    let failed = row.map_or(0, |minute| minute.retry + minute.dead + minute.lost);
    Minute { at, done, failed }
}

fn quantiles(times: &inspect::Histogram) -> Quantiles {
    Quantiles { p50: times.quantile(0.5), p95: times.quantile(0.95), p99: times.quantile(0.99) }
}
