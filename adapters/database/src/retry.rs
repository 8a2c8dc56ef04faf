//! Retries of database calls, with exponential backoff up to a deadline.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;

use crate::error::{ErrorClass, classify};

/// The time after which no further attempt starts. An attempt that has started may also wait for
/// a connection.
pub(crate) const RETRY_WINDOW: Duration = Duration::from_secs(8);
const FIRST_DELAY: Duration = Duration::from_millis(5);
/// The shortest delay after an error that suggests an outage.
const OUTAGE_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(1);

/// The attempts of one operation.
#[derive(Debug)]
pub(crate) struct Retry {
    deadline: Instant,
    next_delay: Duration,
}

impl Retry {
    pub(crate) fn new() -> Self {
        Self { deadline: Instant::now() + RETRY_WINDOW, next_delay: FIRST_DELAY }
    }

    /// Waits before the next attempt. Returns false at once if the error is not worth another
    /// attempt or no time is left.
    pub(crate) async fn wait(&mut self, class: ErrorClass) -> bool {
        let delay = match class {
            ErrorClass::Retryable => self.next_delay,
            ErrorClass::Unavailable | ErrorClass::ReadOnly | ErrorClass::ConnectionLost => {
                self.next_delay.max(OUTAGE_DELAY)
            }
            ErrorClass::UniqueViolation | ErrorClass::StorageFailure | ErrorClass::Permanent => {
                return false;
            }
        };
        let delay = delay.mul_f64(jitter());
        if Instant::now() + delay > self.deadline {
            return false;
        }
        self.next_delay = (self.next_delay * 2).min(MAX_DELAY);
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
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if !retry.wait(classify(&error)).await {
            return Err(error);
        }
    }
}

/// Returns a random factor from 0.5 to 1, so that transactions that blocked each other do not
/// collide again.
fn jitter() -> f64 {
    // `RandomState` is the standard library's only source of randomness.
    let random = RandomState::new().build_hasher().finish();
    0.5 + 0.5 * f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
