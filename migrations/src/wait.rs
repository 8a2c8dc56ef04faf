//! Waiting for another process that migrates the same database.

use std::time::{Duration, Instant};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// A wait that is logged when it starts and every 30 seconds while it lasts.
pub(crate) struct Wait {
    message: &'static str,
    started_at: Instant,
    next_log: Instant,
}

impl Wait {
    pub(crate) fn new(message: &'static str) -> Self {
        let now = Instant::now();
        Self { message, started_at: now, next_log: now }
    }

    /// Pauses before the next attempt.
    pub(crate) async fn pause(&mut self) {
        if self.is_log_due(Instant::now()) {
            let waited = self.started_at.elapsed().as_secs();
            tracing::info!(waited_seconds = waited, "{}", self.message);
        }
        tokio::time::sleep(PAUSE).await;
    }

    fn is_log_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next_log;
        if is_due {
            self.next_log = now + LOG_INTERVAL;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_logged_at_its_start_and_every_30_seconds() {
        let mut wait = Wait::new("waiting");
        let start = wait.started_at;
        let logged_at: Vec<u64> = (0..100)
            .filter(|seconds| wait.is_log_due(start + Duration::from_secs(*seconds)))
            .collect();
        assert_eq!(logged_at, [0, 30, 60, 90]);
    }
}
