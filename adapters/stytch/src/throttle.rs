//! A minimum interval between calls.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// Admits callers in order, at least `interval` apart.
pub(crate) struct Throttle {
    interval: Duration,
    /// The time at which the next caller is admitted.
    next: Mutex<Option<Instant>>,
}

impl Throttle {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, next: Mutex::default() }
    }

    /// Waits until the caller is admitted.
    pub(crate) async fn acquire(&self) {
        let start = {
            let mut next = self.next.lock();
            let start = next.unwrap_or_else(Instant::now).max(Instant::now());
            *next = Some(start + self.interval);
            start
        };
        sleep_until(start).await;
    }

    /// Admits no further caller for at least `duration`. Callers already waiting are not delayed.
    pub(crate) fn pause(&self, duration: Duration) {
        let mut next = self.next.lock();
        let until = Instant::now() + duration;
        *next = Some(next.map_or(until, |next| next.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(30);

    #[tokio::test]
    async fn the_first_caller_is_admitted_at_once_and_others_at_intervals() {
        let (throttle, start) = (Throttle::new(Duration::from_hours(1)), Instant::now());
        throttle.acquire().await;
        assert!(start.elapsed() < Duration::from_mins(1));
        let (throttle, start) = (Throttle::new(INTERVAL), Instant::now());
        for _ in 0..3 {
            throttle.acquire().await;
        }
        assert!(start.elapsed() >= 2 * INTERVAL);
    }

    #[tokio::test]
    async fn a_pause_delays_the_next_caller_and_is_not_ended_by_a_shorter_one() {
        let (throttle, start) = (Throttle::new(Duration::ZERO), Instant::now());
        throttle.pause(2 * INTERVAL);
        throttle.pause(Duration::ZERO);
        throttle.acquire().await;
        assert!(start.elapsed() >= 2 * INTERVAL);
    }
}
