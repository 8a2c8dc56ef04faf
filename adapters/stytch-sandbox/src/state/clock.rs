//! The sandbox's clock: the system's, shifted by `PUT /sandbox/clock`.

use jiff::{SignedDuration, Timestamp};

/// The largest offset in either direction: a century, so that sums of times can't overflow.
pub(crate) const MAX_OFFSET_SECONDS: i64 = 100 * 366 * 24 * 3600;

/// Returns the time in whole milliseconds.
pub(crate) fn now(offset_seconds: i64) -> Timestamp {
    let now = precise(offset_seconds);
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Returns the time at the precision of the system's clock.
pub(crate) fn precise(offset_seconds: i64) -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system's clock")]
    let system_time = Timestamp::now();
    system_time + SignedDuration::from_secs(offset_seconds)
}

/// Drops fractions of a second, as Stytch does in users, sessions and JWTs.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

pub(crate) fn minutes_after(time: Timestamp, minutes: i64) -> Timestamp {
    time + SignedDuration::from_mins(minutes)
}
