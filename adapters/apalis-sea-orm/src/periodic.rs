//! Periodic work without a leader: everyone enqueues the job of a tick, and its key lets one in.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::{NewJob, unique::window};

/// Begins the keys of ticks. A job with such a key that ended in the future, by a clock that was
/// ahead, gives its key up, so that its tick is not left out when the time comes.
pub const PERIODIC: &str = "periodic:";

/// The job of the current tick of work that is to be done every so often: for
/// [`enqueue`](crate::enqueue), in every process, as often as you like; all but one are
/// [`Duplicate`](crate::Enqueued::Duplicate).
///
/// Ticks count from 1970, so an hour's begins on the hour. Its key is made of the kind, the
/// interval and the tick's number, and so is its `run_at`. Offer it at least once in each tick:
/// one that nobody offers is left out. Its row keeps the key, so [`prune`](crate::prune) nothing
/// younger than an interval.
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
    let (length, tick) = window(every, now);
    let due = Timestamp::from_millisecond(tick.saturating_mul(length)).unwrap_or(now);
    NewJob {
        id,
        queue: queue.to_owned(),
        kind: kind.to_owned(),
        args: Value::Null,
        priority: 0,
        run_at: due,
        max_attempts: 1,
        unique_key: Some(format!("{PERIODIC}{kind}@{length}:{tick}")),
        created_at: now,
    }
}
