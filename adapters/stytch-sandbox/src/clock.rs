//! The sandbox's time: the machine's, moved by what `PUT /sandbox/clock` added.

use jiff::{SignedDuration, Timestamp};

/// A century: far enough for any test, and sums of times can't overflow.
pub(crate) const FARTHEST_SECONDS: i64 = 100 * 366 * 24 * 3600;

/// The time, `offset_seconds` from the machine's, to the millisecond.
pub(crate) fn now(offset_seconds: i64) -> Timestamp {
    let now = precise(offset_seconds);
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// The same, as precise as the machine's.
pub(crate) fn precise(offset_seconds: i64) -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    let machine = Timestamp::now();
    machine + SignedDuration::from_secs(offset_seconds)
}

/// Stytch's users, sessions and JWTs carry whole seconds.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

pub(crate) fn minutes_after(time: Timestamp, minutes: i64) -> Timestamp {
    time + SignedDuration::from_mins(minutes)
}
