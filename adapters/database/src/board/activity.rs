//! What came of jobs in the last hour, and how long they waited and ran.

use std::time::Duration;

use apalis_sea_orm::board;
use guestlist_domain::{QueueName, StoreError};
use jiff::Timestamp;

use crate::errors::store_error;
use crate::store::SqlStore;

const MINUTE: Duration = Duration::from_mins(1);
const MINUTES: usize = 60;

/// What came of each queue's jobs in the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity(pub Vec<QueueActivity>);

/// What came of a queue's jobs in the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueActivity {
    /// Which.
    pub queue: QueueName,
    /// From when jobs were due until a worker took them.
    pub wait: Quantiles,
    /// From then to the attempt's end.
    pub run: Quantiles,
    /// Sixty, the oldest first; the last is the minute that is under way.
    pub minutes: Vec<Minute>,
}

/// Times that half, nineteen of twenty, and ninety-nine of a hundred did not exceed; none where
/// nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Half.
    pub p50: Option<Duration>,
    /// Nineteen of twenty.
    pub p95: Option<Duration>,
    /// Ninety-nine of a hundred.
    pub p99: Option<Duration>,
}

/// What came of attempts in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// Its beginning.
    pub at: Timestamp,
    /// Jobs that were done.
    pub done: u64,
    /// Attempts that failed: to be tried again, for good, or because their worker died.
    pub failed: u64,
}

impl SqlStore {
    /// What came of each queue's jobs in the last hour.
    pub async fn activity(&self, now: Timestamp) -> Result<Activity, StoreError> {
        let minute = now.as_second().div_euclid(60) * 60;
        let current = Timestamp::from_second(minute).unwrap_or(now);
        let ago = |n: usize| current - MINUTE * u32::try_from(MINUTES - 1 - n).unwrap_or(0);
        let since = ago(0);
        let read = self.database.read();
        let minutes = board::minutes(read, since).await.map_err(store_error)?;
        let times = board::times(read, since).await.map_err(store_error)?;
        let queues = QueueName::ALL.iter().map(|queue| {
            let mine =
                |at: Timestamp| minutes.iter().find(|m| m.at == at && m.queue == queue.as_str());
            let each = (0..MINUTES).map(|n| count(ago(n), mine(ago(n))));
            let times = times.get(queue.as_str());
            QueueActivity {
                queue: *queue,
                wait: times.map(|times| quantiles(&times.wait)).unwrap_or_default(),
                run: times.map(|times| quantiles(&times.run)).unwrap_or_default(),
                minutes: each.collect(),
            }
        });
        Ok(Activity(queues.collect()))
    }
}

fn count(at: Timestamp, told: Option<&board::Minute>) -> Minute {
    let done = told.map_or(0, |minute| minute.done);
    let failed = told.map_or(0, |minute| minute.retry + minute.dead + minute.lost);
    Minute { at, done, failed }
}

fn quantiles(times: &board::Histogram) -> Quantiles {
    Quantiles { p50: times.quantile(0.5), p95: times.quantile(0.95), p99: times.quantile(0.99) }
}
