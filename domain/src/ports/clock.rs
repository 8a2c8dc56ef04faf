//! Sources of time and ids, which tests replace.

use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use uuid::Uuid;

/// The wall clock, for expiries, schedules and timestamps.
pub trait Clock: Send + Sync {
    /// Returns the current time, truncated to the microseconds that every database stores.
    fn now(&self) -> Timestamp;
}

/// A source of ids.
pub trait Ids: Send + Sync {
    /// Returns a new `UUIDv7`. Ids of one source increase with time.
    fn next(&self) -> Uuid;

    /// Returns a random number from 0 to 1, for the jitter of retries.
    fn jitter(&self) -> f64 {
        let low = self.next().as_u128() & u128::from(u32::MAX);
        f64::from(u32::try_from(low).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}

/// The tolerated difference between the clocks of two processes.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// Returns whether `written_at`, a stored time of a past event, is plausible.
///
/// A time in the future was written by a process whose clock was ahead, or before the clock was set
/// back. The true time is unknown, and a delay computed from it would last as long as that clock was
/// wrong.
pub fn is_credible(written_at: Timestamp, now: Timestamp) -> bool {
    written_at <= now + CLOCK_TOLERANCE
}

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    fn now(&self) -> Timestamp {
        whole_microseconds(Timestamp::now())
    }
}

/// Ids made of the system clock and random bits, increasing within a process.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes random ids")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// A clock for tests that moves only on request.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(whole_microseconds(start)))
    }

    pub fn advance(&self, by: Duration) {
        *self.0.lock() += by;
    }

    pub fn set_back(&self, by: Duration) {
        *self.0.lock() -= by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

fn whole_microseconds(t: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(t.as_microsecond()).unwrap_or(t)
}
