//! Unique keys, and periodic jobs that are deduplicated by them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::enqueue::NewJob;
use crate::sql::UNFINISHED_KEY;

/// How a [`NewJob`] is unique. Set [`unique_key`](NewJob::unique_key) to the result of
/// [`key`](Unique::key).
///
/// ```
/// # use std::time::Duration;
/// # use apalis_sea_orm::Unique;
/// # let now: jiff::Timestamp = "2026-06-01T12:00:30Z".parse().unwrap();
/// let key = Unique::Within { key: "digest:ada".to_owned(), every: Duration::from_mins(1) };
/// assert_eq!(key.key(now), "digest:ada@60000:29671920");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unique {
    /// As long as the job's row exists. The key must not start with `~`.
    Forever { key: String },
    /// Once in each time window. Windows are counted from 1970.
    Within {
        /// The key, to which the window's length and number are appended.
        key: String,
        /// Length of a window, at least 1 millisecond.
        every: Duration,
    },
    /// Until the job is done, dead or cancelled. A job that is [retried](crate::retry) after that
    /// takes its key back; if another job has the key by then, it is not retried.
    WhileUnfinished {
        /// The key, which is stored with the prefix `~` to keep it apart from all others.
        key: String,
    },
}

impl Unique {
    /// Returns the key to store for a job enqueued at `now`.
    pub fn key(&self, now: Timestamp) -> String {
        match self {
            Unique::Forever { key } => key.clone(),
            Unique::Within { key, every } => {
                let (length, number) = window(*every, now);
                format!("{key}@{length}:{number}")
            }
            Unique::WhileUnfinished { key } => format!("{UNFINISHED_KEY}{key}"),
        }
    }
}

/// Prefix of the keys of [periodic](periodic) jobs. If such a job has finished in the future, by a
/// clock that was ahead, its key is freed so that the job can run again at the right time.
pub const PERIODIC_KEY_PREFIX: &str = "periodic:";

/// Returns the job for the current interval of recurring work. [Enqueue](crate::enqueue) it from
/// every process, at least once in each interval: the first call inserts the job, all others return
/// [`Duplicate`](crate::Enqueued::Duplicate), and an interval without a call is skipped.
///
/// Intervals are counted from 1970, so hourly jobs are due on the hour. The unique key consists of
/// the kind, the interval's length and its number. The row holds the key, so [`prune`](crate::prune)
/// only jobs that are older than an interval.
///
/// ```
/// # use std::time::Duration;
/// # let now: jiff::Timestamp = "2026-06-01T12:00:30Z".parse().unwrap();
/// # let id = uuid::Uuid::nil();
/// use apalis_sea_orm::{NewJob, periodic};
///
/// let minutely = periodic(id, "maintenance", "sweep", Duration::from_mins(1), now);
/// let job = NewJob { priority: 5, max_attempts: 3, ..minutely };
/// assert_eq!(job.run_at.to_string(), "2026-06-01T12:00:00Z");
/// ```
pub fn periodic(id: Uuid, queue: &str, kind: &str, every: Duration, now: Timestamp) -> NewJob {
    let (length, number) = window(every, now);
    let due = Timestamp::from_millisecond(number.saturating_mul(length)).unwrap_or(now);
    NewJob {
        id,
        queue: queue.to_owned(),
        kind: kind.to_owned(),
        args: Value::Null,
        priority: 0,
        run_at: due,
        max_attempts: 1,
        unique_key: Some(format!("{PERIODIC_KEY_PREFIX}{kind}@{length}:{number}")),
        created_at: now,
    }
}

/// Returns a window's length in milliseconds, and the number of the window that contains `now`.
fn window(every: Duration, now: Timestamp) -> (i64, i64) {
    let length = Ord::max(i64::try_from(every.as_millis()).unwrap_or(i64::MAX), 1);
    (length, now.as_millisecond().div_euclid(length))
}
