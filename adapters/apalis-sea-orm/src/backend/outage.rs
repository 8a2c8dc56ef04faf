//! Said once when the database does not answer, and once when it does again.

use std::time::Duration;

use sea_orm::DbErr;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Outage {
    what: &'static str,
    failures: u32,
}

impl Outage {
    pub(super) fn of(what: &'static str) -> Self {
        Self { what, failures: 0 }
    }

    /// Tells how long to wait before the next try.
    pub(super) fn failed(&mut self, error: &DbErr) -> Duration {
        if self.failures == 0 {
            tracing::warn!(%error, "{} failed; trying again until it succeeds", self.what);
        }
        let wait = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        wait.mul_f64(rand::random_range(0.8..1.2)).min(LONGEST)
    }

    /// Tells whether this ended an outage.
    pub(super) fn succeeded(&mut self) -> bool {
        let ended = self.failures > 0;
        if ended {
            tracing::info!(failures = self.failures, "{} succeeds again", self.what);
        }
        self.failures = 0;
        ended
    }
}
