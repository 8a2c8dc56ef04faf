//! Retries of database calls, with exponential backoff up to a deadline.

use std::time::Duration;

use apalis_sea_orm::Backoff;
use sea_orm::DbErr;
use tokio::time::Instant;

use crate::error::{ErrorClass, classify};

/// The time after which no further attempt starts. An attempt that has started may also wait for
/// a connection.
pub(crate) const RETRY_WINDOW: Duration = Duration::from_secs(8);
const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(5), max: Duration::from_secs(1) };
/// The shortest delay after an error that suggests an outage.
const OUTAGE_DELAY: Duration = Duration::from_millis(50);

/// The attempts of one operation.
#[derive(Debug)]
pub(crate) struct Retry {
    deadline: Instant,
    attempts: u32,
}

impl Retry {
    pub(crate) fn new() -> Self {
        Self { deadline: Instant::now() + RETRY_WINDOW, attempts: 0 }
    }

    /// Waits before the next attempt. Returns false at once if the error is not worth another
    /// attempt or no time is left.
    pub(crate) async fn wait(&mut self, class: ErrorClass) -> bool {
        let shortest = match class {
            ErrorClass::Retryable => Duration::ZERO,
            ErrorClass::Unavailable | ErrorClass::ReadOnly | ErrorClass::ConnectionLost => {
                OUTAGE_DELAY
            }
            ErrorClass::UniqueViolation | ErrorClass::StorageFailure | ErrorClass::Permanent => {
                return false;
            }
        };
        self.attempts += 1;
        // The jitter keeps transactions that blocked each other from colliding again.
        let jitter = rand::random_range(0.5..=1.0);
        let delay = BACKOFF.delay(self.attempts, 0.5).max(shortest).mul_f64(jitter);
        if Instant::now() + delay > self.deadline {
            return false;
        }
        tokio::time::sleep(delay).await;
        true
    }
}

/// Repeats an idempotent call while its error is worth another attempt.
pub(crate) async fn retry<T, F>(call: impl Fn() -> F) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>>,
{
    let mut retry = Retry::new();
    loop {
        match call().await {
            Err(error) if retry.wait(classify(&error)).await => {}
            result => return result,
        }
    }
}
