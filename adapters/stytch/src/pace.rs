//! Calls that keep their distance from each other.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Gives out turns in the order in which they are asked for, at least so far apart.
pub(crate) struct Pace {
    apart: Duration,
    /// Before then, no turn comes.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(apart: Duration) -> Self {
        Self { apart, next: Mutex::default() }
    }

    /// Waits for its turn.
    pub(crate) async fn turn(&self) {
        let start = {
            let mut next = self.next();
            let start = next.unwrap_or_else(Instant::now).max(Instant::now());
            *next = Some(start + self.apart);
            start
        };
        sleep_until(start).await;
    }

    /// Nobody's turn comes for so long, but for those who have been given theirs.
    pub(crate) fn hold(&self, pause: Duration) {
        let mut next = self.next();
        let until = Instant::now() + pause;
        *next = Some(next.map_or(until, |next| next.max(until)));
    }

    /// The lock is not held over anything that can panic.
    fn next(&self) -> MutexGuard<'_, Option<Instant>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APART: Duration = Duration::from_millis(30);

    #[tokio::test]
    async fn turns_are_apart_and_the_first_comes_at_once() {
        let (pace, start) = (Pace::new(Duration::from_hours(1)), Instant::now());
        pace.turn().await;
        assert!(start.elapsed() < Duration::from_mins(1));
        let (pace, start) = (Pace::new(APART), Instant::now());
        for _ in 0..3 {
            pace.turn().await;
        }
        assert!(start.elapsed() >= 2 * APART);
    }

    #[tokio::test]
    async fn a_hold_keeps_the_next_turn_back_and_a_shorter_one_does_not_end_it() {
        let (pace, start) = (Pace::new(Duration::ZERO), Instant::now());
        pace.hold(2 * APART);
        pace.hold(Duration::ZERO);
        pace.turn().await;
        assert!(start.elapsed() >= 2 * APART);
    }
}
