//! Said once when the database does not answer, and once when it does again.

use std::{pin::pin, sync::Arc, time::Duration};

use sea_orm::{DbErr, RuntimeErr, sqlx};

use crate::Options;

/// How long a worker waits for the database to answer. A server that is frozen, or whose machine is
/// gone, says nothing at all.
const LIMIT: Duration = Duration::from_secs(20);
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Fails a call that the database does not answer within [`LIMIT`]. The error is reported before the
/// call is dropped, which gives its connection back to the pool.
pub(super) async fn limited<T>(
    options: &Options,
    call: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let mut call = pin!(call);
    if let Ok(result) = tokio::time::timeout(LIMIT, &mut call).await {
        return result;
    }
    let silent = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
    let error = DbErr::Conn(RuntimeErr::SqlxError(sqlx::Error::Io(silent).into()));
    (options.on_error)(&error);
    Err(error)
}

#[derive(Debug)]
pub(super) struct Outage {
    what: &'static str,
    failures: u32,
    options: Arc<Options>,
}

impl Outage {
    pub(super) fn of(what: &'static str, options: &Arc<Options>) -> Self {
        Self { what, failures: 0, options: Arc::clone(options) }
    }

    /// Tells how long to wait before the next try.
    pub(super) fn failed(&mut self, error: &DbErr) -> Duration {
        (self.options.on_error)(error);
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
