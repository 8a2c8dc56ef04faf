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

impl Activity {
    /// Returns the number of mails sent in the last minute.
    pub fn sent_per_minute(&self, now: Timestamp) -> u64 {
        let mail = self.0.iter().filter(|activity| activity.queue.is_mail());
        mail.map(|activity| activity.done_per_minute(now)).sum()
    }

    /// Returns whether all attempts to send mail failed in the latest minute that has any.
    pub fn is_mail_failing(&self) -> bool {
        let mut latest: Option<Minute> = None;
        let mail = self.0.iter().filter(|activity| activity.queue.is_mail());
        for minute in mail.flat_map(|activity| &activity.minutes) {
            if minute.done + minute.failed == 0 {
                continue;
            }
            latest = match latest {
                Some(latest) if latest.at > minute.at => Some(latest),
                Some(Minute { at, done, failed }) if at == minute.at => {
                    Some(Minute { at, done: done + minute.done, failed: failed + minute.failed })
                }
                _ => Some(*minute),
            };
        }
        latest.is_some_and(|latest| latest.done == 0)
    }
}

impl QueueActivity {
    /// Returns the number of jobs done in the last minute. It is estimated from the current minute
    /// and the one before it.
    pub fn done_per_minute(&self, now: Timestamp) -> u64 {
        let [.., before, current] = self.minutes.as_slice() else { return 0 };
        let elapsed = u64::try_from(now.duration_since(current.at).as_secs()).unwrap_or(0).min(60);
        current.done + (before.done * (60 - elapsed)).div_ceil(60)
    }
}

/// How long jobs of a queue waited in each of the last sixty minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueWaits {
    pub queue: QueueName,
    /// The 95th percentile of each minute, oldest first; `None` if no job ended in it.
    pub minutes: Vec<Option<Duration>>,
    /// The 95th percentile of the last five minutes.
    pub recent: Option<Duration>,
}

const RECENT_MINUTES: usize = 5;

impl SqlStore {
    /// Returns how long the jobs of each queue waited, by minute.
    pub async fn waits(&self, now: Timestamp) -> StoreResult<Vec<QueueWaits>> {
        let ago = minutes_before(now);
        let rows = inspect::wait_times(self.database.read(), ago(MINUTES - 1)).await;
        let rows = rows.map_err(store_error)?;
        let queues = QueueName::ALL.iter().map(|queue| {
            let row = |n: usize| {
                let at = ago(n);
                rows.iter().find(|row| row.at == at && row.queue == queue.as_str())
            };
            let mut recent = inspect::Histogram::default();
            for row in (0..RECENT_MINUTES).filter_map(row) {
                recent.add(&row.wait);
            }
            let minutes = (0..MINUTES).rev().map(|n| row(n)?.wait.quantile(0.95)).collect();
            QueueWaits { queue: *queue, minutes, recent: recent.quantile(0.95) }
        });
        Ok(queues.collect())
    }

    pub async fn activity(&self, now: Timestamp) -> StoreResult<Activity> {
        let mut activity = self.throughput(now).await?;
        let since = minutes_before(now)(MINUTES - 1);
        let times = inspect::times(self.database.read(), since).await.map_err(store_error)?;
        for queue in &mut activity.0 {
            let Some(times) = times.get(queue.queue.as_str()) else { continue };
            (queue.wait, queue.run) = (quantiles(&times.wait), quantiles(&times.run));
        }
        Ok(activity)
    }

    /// Returns the activity without quantiles, which take longer to read.
    pub async fn throughput(&self, now: Timestamp) -> StoreResult<Activity> {
        let ago = minutes_before(now);
        let minutes = inspect::minutes(self.database.read(), ago(MINUTES - 1)).await;
        let minutes = minutes.map_err(store_error)?;
        let queues = QueueName::ALL.iter().map(|queue| {
            let row =
                |at: Timestamp| minutes.iter().find(|m| m.at == at && m.queue == queue.as_str());
            let per_minute = (0..MINUTES).rev().map(|n| count(ago(n), row(ago(n))));
            let (wait, run) = Default::default();
            QueueActivity { queue: *queue, wait, run, minutes: per_minute.collect() }
        });
        Ok(Activity(queues.collect()))
    }
}

/// Returns a function that returns the start of the minute `n` minutes before the current one.
fn minutes_before(now: Timestamp) -> impl Fn(usize) -> Timestamp {
    let minute = now.as_second().div_euclid(60) * 60;
    let current = Timestamp::from_second(minute).unwrap_or(now);
    move |n| current - MINUTE * u32::try_from(n).unwrap_or(0)
}

fn count(at: Timestamp, row: Option<&inspect::Minute>) -> Minute {
    let done = row.map_or(0, |minute| minute.done);
    let failed = row.map_or(0, |minute| minute.retry + minute.dead + minute.lost);
    Minute { at, done, failed }
}

fn quantiles(times: &inspect::Histogram) -> Quantiles {
    Quantiles { p50: times.quantile(0.5), p95: times.quantile(0.95), p99: times.quantile(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_sixty_seconds() {
        let at: Timestamp = "2026-11-29T14:32:00Z".parse().unwrap();
        let minute = |at, done| Minute { at, done, failed: 0 };
        let minutes = vec![minute(at - MINUTE, 120), minute(at, 30)];
        let (wait, run) = Default::default();
        let activity = QueueActivity { queue: QueueName::Invitation, wait, run, minutes };
        let after = |seconds| activity.done_per_minute(at + Duration::from_secs(seconds));
        assert_eq!([after(0), after(15), after(60), after(90)], [150, 120, 30, 30]);
        let empty = QueueActivity { minutes: vec![], ..activity };
        assert_eq!(empty.done_per_minute(at), 0);
    }
}
