//! Time and ids come from outside, so that tests own both.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

/// The time of the business: expiries, schedules, what is shown to people.
pub trait Clock: Send + Sync {
    /// Now, in whole microseconds: what every database keeps.
    fn now(&self) -> Timestamp;
}

/// Where new ids come from.
pub trait Ids: Send + Sync {
    /// A fresh `UUIDv7`: later ids sort after earlier ones of the same source.
    fn next(&self) -> Uuid;

    /// A number from 0 to 1 for the jitter of retries.
    fn jitter(&self) -> f64 {
        let low = self.next().as_u128() & u128::from(u32::MAX);
        f64::from(u32::try_from(low).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}

/// By how much the clocks of two processes may differ.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// Whether a time, at which something was written before `now`, can be right. One that lies in the
/// future was written by a process whose clock was ahead, or before the clock was set back: when it
/// was is not known, and waiting for it would be waiting for as long as that clock was wrong.
pub fn is_credible(written_at: Timestamp, now: Timestamp) -> bool {
    written_at <= now + CLOCK_TOLERANCE
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        whole_microseconds(Timestamp::now())
    }
}

/// Ids of the machine's clock and randomness, in order within a process.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes random ids")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(whole_microseconds(start)))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        *self.lock() += by;
    }

    /// Sets the clock back, as an operator does who corrects one that was ahead.
    pub fn set_back(&self, by: Duration) {
        *self.lock() -= by;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.lock()
    }
}

fn whole_microseconds(t: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(t.as_microsecond()).unwrap_or(t)
}
