//! What a worker knows of the rate, and the arithmetic of starts.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::Rate;

/// How far ahead starts are given away, in microseconds. More of it and a better job that comes in
/// waits longer behind those that have their starts, a hold takes longer to be felt, and a lost
/// worker wastes more. Less of it, and each worker asks the row more often than the ten times a
/// second that it does at most.
pub(super) const AHEAD: i64 = 200_000;
/// Starts are this much further apart than they need be, so that starting late, within
/// [`LATE`](super::LATE), or early never makes a second hold more than it may. A start is early by
/// the time that passes between this process's look at its clock and the database's at its own: the
/// way of one small read, which waits for nobody and took 10 ms at worst on busy machines. This
/// leaves 20 ms for it.
const MARGIN: f64 = 1.06;

/// This worker's part in it.
#[derive(Clone, Debug)]
pub(crate) struct Pace(Arc<Known>);

#[derive(Debug)]
struct Known {
    per_second: Mutex<f64>,
    /// No starts are to be had before then.
    blocked: Mutex<Option<Instant>>,
    /// Whether the row is there.
    kept: AtomicBool,
}

/// The starts that may be given away in a transaction that holds the row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starts {
    /// This process's time when the database said its own.
    pub(super) asked: Instant,
    pub(super) now: i64,
    pub(super) next_free: i64,
    pub(super) interval: i64,
    /// Whether the row was corrected, so that the transaction has something to commit.
    pub(crate) is_corrected: bool,
}

impl Pace {
    pub(crate) fn of(rate: Option<&Rate>) -> Self {
        Self(Arc::new(Known {
            per_second: Mutex::new(rate.map_or(0.0, |rate| rate.per_second)),
            blocked: Mutex::default(),
            kept: AtomicBool::new(false),
        }))
    }

    /// For how long there is nothing to claim of the queues that the rate is for.
    pub(crate) fn blocked(&self) -> Option<Duration> {
        let until = *self.0.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    pub(super) fn block(&self, until: Option<Instant>) {
        *self.0.blocked.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    pub(super) fn set(&self, per_second: f64) {
        *self.0.per_second.lock().unwrap_or_else(PoisonError::into_inner) = per_second;
        self.block(None);
    }

    /// Whether the row is known to be there.
    pub(super) fn is_kept(&self) -> bool {
        self.0.kept.load(Ordering::Relaxed)
    }

    pub(super) fn keep(&self, kept: bool) {
        self.0.kept.store(kept, Ordering::Relaxed);
    }

    /// The time from one start to the next; none if there are to be no starts.
    pub(crate) fn interval(&self) -> Option<i64> {
        let per_second = *self.0.per_second.lock().unwrap_or_else(PoisonError::into_inner);
        let apart = Duration::try_from_secs_f64(MARGIN / per_second).ok()?;
        i64::try_from(apart.as_micros()).ok().map(|apart| Ord::max(apart, 1))
    }
}

impl Starts {
    /// How many there are to give away: none until half of what may be given is there, so that
    /// workers ask for some at a time and not for each.
    pub(super) fn left(&self) -> usize {
        let ahead = self.next_free - self.now;
        if ahead > AHEAD / 2 {
            return 0;
        }
        usize::try_from((AHEAD - ahead) / self.interval + 1).unwrap_or(0)
    }

    /// Whether the first is no further ahead than that, or than two starts are apart.
    pub(super) fn are_within(&self, time: Duration) -> bool {
        let time = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        self.next_free - self.now <= Ord::max(time, self.interval.saturating_mul(2))
    }

    /// Until when there will be none left, once that many more are given away.
    pub(super) fn blocked_until(&self, given: i64) -> Option<Instant> {
        let wait = self.next_free - self.now + given - AHEAD / 2;
        let wait = u64::try_from(wait).ok().filter(|wait| *wait > 0)?;
        Some(self.asked + Duration::from_micros(wait + 1))
    }

    pub(super) fn at(&self, number: usize) -> Instant {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let wait = self.next_free - self.now + number.saturating_mul(self.interval);
        self.asked + Duration::from_micros(u64::try_from(wait).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(next_free: i64) -> Starts {
        let asked = Instant::now();
        Starts { asked, now: 1_000_000, next_free, interval: 10_000, is_corrected: false }
    }

    #[test]
    fn no_more_is_given_away_than_fits_ahead() {
        assert_eq!(starts(1_000_000).left(), 21);
        assert_eq!(starts(1_100_000).left(), 11);
        assert_eq!(starts(1_100_001).left(), 0);
        assert_eq!(Starts { interval: 5_000_000, ..starts(1_000_000) }.left(), 1);
    }

    #[test]
    fn claims_wait_for_half_of_it() {
        let some = starts(1_050_000);
        assert_eq!(some.blocked_until(50_000), None);
        let until = some.blocked_until(150_000).unwrap();
        assert_eq!(until - some.asked, Duration::from_micros(100_001));
        assert_eq!(some.at(2) - some.asked, Duration::from_millis(70));
    }

    #[test]
    fn soon_is_at_least_two_starts_ahead() {
        let second = Duration::from_secs(1);
        assert!(starts(2_000_000).are_within(second));
        assert!(!starts(2_000_001).are_within(second));
        let slow = Starts { interval: 2_000_000, ..starts(5_000_000) };
        assert!(slow.are_within(second));
        assert!(!Starts { next_free: 5_000_001, ..slow }.are_within(second));
    }

    #[test]
    fn what_is_no_rate_gives_no_starts() {
        let interval = |per_second| {
            let rate = Rate { name: "r".to_owned(), queues: Vec::new(), per_second };
            Pace::of(Some(&rate)).interval()
        };
        assert_eq!(interval(100.0), Some(10_600));
        assert_eq!(interval(1e9), Some(1));
        for none in [0.0, -1.0, f64::NAN] {
            assert_eq!(interval(none), None);
        }
    }
}
