//! Timeouts and retries of the worker's own database calls, with one log message at the start and
//! one at the end of an outage.

use std::{pin::pin, sync::Arc, time::Duration};

use sea_orm::{DbErr, RuntimeErr, sqlx};

use crate::{backoff::Backoff, options::Options};

/// How long a worker waits for the database. A frozen server, or one whose machine is gone, sends no
/// error.
const TIMEOUT: Duration = Duration::from_secs(20);
const BACKOFF: Backoff =
    Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(5) };

/// Fails a call that takes longer than [`TIMEOUT`]. The error is reported before the call is
/// dropped, which returns its connection to the pool.
pub(super) async fn with_timeout<T>(
    options: &Options,
    call: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let mut call = pin!(call);
    if let Ok(result) = tokio::time::timeout(TIMEOUT, &mut call).await {
        return result;
    }
    let timed_out = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
    let error = DbErr::Conn(RuntimeErr::SqlxError(sqlx::Error::Io(timed_out).into()));
    (options.on_error)(&error);
    Err(error)
}

/// The consecutive failures of one task.
#[derive(Debug)]
pub(super) struct Outage {
    task: &'static str,
    failures: u32,
    options: Arc<Options>,
}

impl Outage {
    pub(super) fn new(task: &'static str, options: &Arc<Options>) -> Self {
        Self { task, failures: 0, options: Arc::clone(options) }
    }

    /// Records a failure and returns the delay before the next try.
    pub(super) fn failed(&mut self, error: &DbErr) -> Duration {
        (self.options.on_error)(error);
        if self.failures == 0 {
            tracing::warn!(%error, "{} failed; trying again until it succeeds", self.task);
        }
        self.failures = self.failures.saturating_add(1);
        BACKOFF.random_delay(self.failures)
    }

    /// Records a success and returns whether it ended an outage.
    pub(super) fn succeeded(&mut self) -> bool {
        let has_ended = self.failures > 0;
        if has_ended {
            tracing::info!(failures = self.failures, "{} succeeds again", self.task);
        }
        self.failures = 0;
        has_ended
    }
}
