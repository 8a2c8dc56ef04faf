//! How long the store tries before it says that the database is unavailable.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;

use crate::errors::{Class, class};

/// No try begins later than this. One that has begun may take as long as it takes to wait for a
/// connection.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);
const LONGEST: Duration = Duration::from_secs(1);

/// The tries of one piece of work.
#[derive(Debug)]
pub(crate) struct Tries {
    until: Instant,
    next: Duration,
}

impl Tries {
    pub(crate) fn new() -> Self {
        Self { until: Instant::now() + PATIENCE, next: Duration::from_millis(5) }
    }

    /// Waits before another try, if the failure is one that passes and there is time left.
    pub(crate) async fn again(&mut self, class: Class) -> bool {
        let pause = match class {
            Class::Again => self.next,
            Class::Away | Class::ReadOnly | Class::Lost => self.next.max(Duration::from_millis(50)),
            Class::Conflict | Class::Down | Class::Bug => return false,
        };
        let pause = pause.mul_f64(jitter());
        if Instant::now() + pause > self.until {
            return false;
        }
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(pause).await;
        true
    }
}

/// Makes a call that is harmless to repeat, again while its failure is one that passes.
pub(crate) async fn repeat<T, F>(call: impl Fn() -> F) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>>,
{
    let mut tries = Tries::new();
    loop {
        let error = match call().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if !tries.again(class(&error)).await {
            return Err(error);
        }
    }
}

/// From a half to one: so that those who stood in each other's way do not meet again.
fn jitter() -> f64 {
    // The standard library's one source of randomness.
    let random = RandomState::new().build_hasher().finish();
    0.5 + 0.5 * f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
