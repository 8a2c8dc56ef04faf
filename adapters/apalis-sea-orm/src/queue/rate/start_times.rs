//! A worker's local knowledge of the rate, and the arithmetic of start times.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::MAX_LATENESS;
use crate::{options::Rate, queue::lease::lock};

/// How far ahead starts are reserved, in microseconds. With a larger value, a job of better priority
/// waits longer behind those that have starts, a hold takes effect later, and a lost worker wastes
/// more starts. With a smaller one, each worker locks the row more often than the present limit of
/// ten times a second.
pub(super) const AHEAD: i64 = 200_000;
/// Factor by which starts are further apart than the rate requires, so that starts that are late, by
/// up to [`MAX_LATENESS`](super::MAX_LATENESS), or early never exceed the rate in any second. A start
/// is early by the time between this process's reading of its clock and the database's reading of
/// its own: the duration of one small read without lock waits, at most 10 ms on busy machines. The
/// factor leaves 40 ms for it, and for calls that take longer than others to arrive.
const MARGIN: f64 = 1.06;

/// What this worker knows of the rate.
#[derive(Clone, Debug)]
pub(crate) struct LocalRate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    per_second: Mutex<f64>,
    /// No starts can be reserved before this instant.
    blocked_until: Mutex<Option<Instant>>,
    /// The starts that were reserved and not used, the earliest first.
    reserved: Mutex<VecDeque<Instant>>,
    /// The number of jobs that wait until starts are reserved for them.
    waiting: AtomicUsize,
    /// How long the last reservation took after it had read the row.
    lead: Mutex<Duration>,
    row_exists: AtomicBool,
}

/// A job that waits until a start is reserved for it.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl Waiting<'_> {
    /// The number of all jobs that wait.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The starts that can be reserved in a transaction that has locked the row. Times are microseconds
/// by the database's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartTimes {
    /// This process's time when `now` was read.
    pub(super) read_at: Instant,
    pub(super) now: i64,
    pub(super) next_free: i64,
    pub(super) interval: i64,
    /// Whether the row was corrected, so that the transaction must be committed.
    pub(crate) is_corrected: bool,
}

impl LocalRate {
    pub(crate) fn new(rate: Option<&Rate>) -> Self {
        Self(Arc::new(Inner {
            per_second: Mutex::new(rate.map_or(0.0, |rate| rate.per_second)),
            blocked_until: Mutex::default(),
            reserved: Mutex::default(),
            waiting: AtomicUsize::new(0),
            lead: Mutex::default(),
            row_exists: AtomicBool::new(false),
        }))
    }

    /// Returns how long no job of a rated queue can be claimed.
    pub(crate) fn blocked(&self) -> Option<Duration> {
        let until = *lock(&self.0.blocked_until);
        let left = until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    pub(super) fn block(&self, until: Option<Instant>) {
        *lock(&self.0.blocked_until) = until;
    }

    /// Changes the rate. Starts that were reserved at another rate are not used.
    pub(super) fn set(&self, per_second: f64) {
        let before = std::mem::replace(&mut *lock(&self.0.per_second), per_second);
        if before.total_cmp(&per_second).is_ne() {
            lock(&self.0.reserved).clear();
        }
        self.block(None);
    }

    /// Records that `count` starts were reserved, which advanced the row by `length`. They are not used if
    /// the rate was changed during the transaction.
    pub(super) fn reserved_at(&self, starts: &StartTimes, count: usize, length: i64) {
        *lock(&self.0.lead) = starts.read_at.elapsed();
        if self.interval() == Some(starts.interval) {
            lock(&self.0.reserved).extend((0..count).map(|index| starts.at(index)));
            self.block(starts.blocked_until(length));
        }
    }

    /// Returns how long the next reservation will probably take after it has read the row, in
    /// microseconds. It is so limited that a claim may still reserve starts.
    pub(super) fn lead(&self) -> i64 {
        i64::try_from(lock(&self.0.lead).as_micros()).unwrap_or(i64::MAX).min(AHEAD / 2)
    }

    /// Takes the earliest reserved start that has not passed too long ago.
    pub(super) fn take(&self) -> Option<Instant> {
        let mut reserved = lock(&self.0.reserved);
        drop_missed(&mut reserved);
        reserved.pop_front()
    }

    /// The number of reserved starts that can be used.
    pub(super) fn reserved(&self) -> usize {
        let mut reserved = lock(&self.0.reserved);
        drop_missed(&mut reserved);
        reserved.len()
    }

    /// Counts a job as waiting until the value is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.0.waiting)
    }

    pub(super) fn row_exists(&self) -> bool {
        self.0.row_exists.load(Ordering::Relaxed)
    }

    pub(super) fn set_row_exists(&self, exists: bool) {
        self.0.row_exists.store(exists, Ordering::Relaxed);
    }

    /// Returns the microseconds from one start to the next, or `None` if the rate is zero or less.
    pub(crate) fn interval(&self) -> Option<i64> {
        let per_second = *lock(&self.0.per_second);
        let interval = Duration::try_from_secs_f64(MARGIN / per_second).ok()?;
        i64::try_from(interval.as_micros()).ok().map(|interval| Ord::max(interval, 1))
    }
}

fn drop_missed(starts: &mut VecDeque<Instant>) {
    while starts.front().is_some_and(|start| start.elapsed() > MAX_LATENESS) {
        starts.pop_front();
    }
}

impl StartTimes {
    /// Returns the number of starts that a claim may reserve: none until half of [`AHEAD`] is free, so
    /// that workers reserve several at a time.
    pub(super) fn available(&self) -> usize {
        if self.next_free - self.now > AHEAD / 2 { 0 } else { self.ahead() }
    }

    /// Returns the number of starts that are at most [`AHEAD`] away.
    pub(super) fn ahead(&self) -> usize {
        let left = AHEAD - (self.next_free - self.now);
        if left < 0 { 0 } else { usize::try_from(left / self.interval + 1).unwrap_or(usize::MAX) }
    }

    /// Returns the number of starts that are at most `time` away, or two intervals if those are
    /// longer.
    pub(super) fn within(&self, time: Duration) -> usize {
        let time = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let time = Ord::max(time, self.interval.saturating_mul(2));
        let left = time - (self.next_free - self.now);
        if left < 0 { 0 } else { usize::try_from(left / self.interval + 1).unwrap_or(usize::MAX) }
    }

    /// Returns until when no starts are available once `reserved` microseconds of them are taken.
    pub(super) fn blocked_until(&self, reserved: i64) -> Option<Instant> {
        let wait = self.next_free - self.now + reserved - AHEAD / 2;
        let wait = u64::try_from(wait).ok().filter(|wait| *wait > 0)?;
        Some(self.read_at + Duration::from_micros(wait + 1))
    }

    pub(super) fn at(&self, index: usize) -> Instant {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let wait = self.next_free - self.now + index.saturating_mul(self.interval);
        self.read_at + Duration::from_micros(u64::try_from(wait).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(next_free: i64) -> StartTimes {
        let read_at = Instant::now();
        StartTimes { read_at, now: 1_000_000, next_free, interval: 10_000, is_corrected: false }
    }

    #[test]
    fn starts_are_reserved_at_most_200_ms_ahead() {
        assert_eq!(starts(1_000_000).available(), 21);
        assert_eq!(starts(1_100_000).available(), 11);
        assert_eq!(starts(1_100_001).available(), 0);
        assert_eq!(StartTimes { interval: 5_000_000, ..starts(1_000_000) }.available(), 1);
    }

    #[test]
    fn claims_wait_until_half_of_it_is_free() {
        let some = starts(1_050_000);
        assert_eq!(some.blocked_until(50_000), None);
        let until = some.blocked_until(150_000).unwrap();
        assert_eq!(until - some.read_at, Duration::from_micros(100_001));
        assert_eq!(some.at(2) - some.read_at, Duration::from_millis(70));
    }

    #[test]
    fn a_start_two_intervals_ahead_is_always_within_reach() {
        let second = Duration::from_secs(1);
        assert_eq!(starts(2_000_000).within(second), 1);
        assert_eq!(starts(1_980_000).within(second), 3);
        assert_eq!(starts(2_000_001).within(second), 0);
        let slow = StartTimes { interval: 2_000_000, ..starts(5_000_000) };
        assert_eq!(slow.within(second), 1);
        assert_eq!(StartTimes { next_free: 5_000_001, ..slow }.within(second), 0);
    }

    #[test]
    fn a_rate_that_is_not_positive_has_no_interval() {
        let interval = |per_second| {
            let rate = Rate { name: "r".to_owned(), queues: Vec::new(), per_second };
            LocalRate::new(Some(&rate)).interval()
        };
        assert_eq!(interval(100.0), Some(10_600));
        assert_eq!(interval(1e9), Some(1));
        for none in [0.0, -1.0, f64::NAN] {
            assert_eq!(interval(none), None);
        }
    }
}
