//! The availability of the database, shared by all connections of a
//! [`Database`](crate::Database).
//!
//! A statement that takes longer than [`SLOW_STATEMENT`] or loses its connection starts a probe in
//! the background. Once probes have failed for [`GRACE_PERIOD`], the database counts as unavailable:
//! waiting statements fail, and new ones fail at once, until a probe succeeds.

use std::future::Future;
use std::time::Duration;

use apalis_sea_orm::ErrorClass;
use parking_lot::Mutex;
use sea_orm::DbErr;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{KnownOutage, classify, message};

/// The duration of a statement after which the database is probed.
const SLOW_STATEMENT: Duration = Duration::from_secs(1);
/// How long probes must have failed before the database counts as unavailable, so that a quick
/// restart of the server fails no request.
const GRACE_PERIOD: Duration = Duration::from_secs(3);
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// The first interval between probes. Each further interval is twice as long.
const FIRST_INTERVAL: Duration = Duration::from_millis(300);
const MAX_INTERVAL: Duration = Duration::from_secs(2);

/// The state of a database that fails writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteFailure {
    /// The time since the first failed write.
    pub age: Duration,
    /// The error of the last failed write.
    pub reason: String,
}

#[derive(Debug)]
struct FailedWrites {
    first: Instant,
    reason: String,
}

#[derive(Debug)]
pub(crate) struct Health {
    outage: watch::Sender<Option<KnownOutage>>,
    suspected: Notify,
    failed_writes: Mutex<Option<FailedWrites>>,
    last_write: Mutex<Option<Instant>>,
    /// Connections that were opened at or before this time are closed instead of used again.
    discarded_until: Mutex<Option<Instant>>,
    /// False for SQLite, where a slow statement does not suggest an outage.
    has_server: bool,
}

impl Health {
    pub(super) fn new(has_server: bool) -> Self {
        Self {
            outage: watch::Sender::new(None),
            suspected: Notify::new(),
            failed_writes: Mutex::default(),
            last_write: Mutex::default(),
            discarded_until: Mutex::default(),
            has_server,
        }
    }

    /// Runs a statement or a transaction. Fails if the database is unavailable or becomes so.
    pub(crate) async fn watch<T>(
        &self,
        call: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        if !self.has_server {
            return call.await.inspect_err(|error| self.record_error(error));
        }
        let known = self.outage.borrow().clone();
        if let Some(outage) = known {
            return Err(outage.into());
        }
        let result = tokio::select! {
            biased;
            result = call => result,
            outage = self.outage_during_slow_call() => Err(outage.into()),
        };
        result.inspect_err(|error| self.record_error(error))
    }

    async fn outage_during_slow_call(&self) -> KnownOutage {
        sleep(SLOW_STATEMENT).await;
        self.suspected.notify_one();
        let mut outage = self.outage.subscribe();
        loop {
            if let Some(outage) = outage.borrow_and_update().clone() {
                return outage;
            }
            // Unreachable: the sender is a field of `self`.
            if outage.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Discards connections and requests a probe, depending on the error's class.
    pub(super) fn record_error(&self, error: &DbErr) {
        match classify(error) {
            ErrorClass::ConnectionLost => {
                self.discard_connections();
                self.suspected.notify_one();
            }
            ErrorClass::ReadOnly => self.discard_connections(),
            ErrorClass::Unavailable => self.suspected.notify_one(),
            ErrorClass::UniqueViolation
            | ErrorClass::Retryable
            | ErrorClass::StorageFailure
            | ErrorClass::Permanent => {}
        }
    }

    /// Closes every connection that is open now as soon as it is idle.
    pub(crate) fn discard_connections(&self) {
        *self.discarded_until.lock() = Some(Instant::now());
    }

    /// Returns whether a connection of this age may be used again.
    pub(super) fn may_use(&self, age: Duration) -> bool {
        self.discarded_until.lock().is_none_or(|until| until.elapsed() > age)
    }

    /// Returns the time since the last write that succeeded.
    pub(crate) fn last_write_age(&self) -> Option<Duration> {
        self.last_write.lock().map(|at| at.elapsed())
    }

    pub(crate) fn write_succeeded(&self) {
        *self.last_write.lock() = Some(Instant::now());
        let mut failed = self.failed_writes.lock();
        if failed.take().is_some() {
            tracing::info!("the database accepts writes again");
        }
    }

    pub(crate) fn write_failed(&self, error: &DbErr) {
        if !matches!(
            classify(error),
            ErrorClass::Unavailable
                | ErrorClass::ConnectionLost
                | ErrorClass::ReadOnly
                | ErrorClass::StorageFailure
        ) {
            return;
        }
        let mut failed = self.failed_writes.lock();
        let first = failed.as_ref().map(|failed| failed.first);
        if first.is_none() {
            tracing::warn!(%error, "the database rejects writes");
        }
        let first = first.unwrap_or_else(Instant::now);
        *failed = Some(FailedWrites { first, reason: message(error) });
    }

    /// Returns the failure of writes since the last write that succeeded.
    pub(super) fn write_failure(&self) -> Option<WriteFailure> {
        self.failed_writes.lock().as_ref().map(|failed| WriteFailure {
            age: failed.first.elapsed(),
            reason: failed.reason.clone(),
        })
    }

    /// Probes the server whenever an error or a slow statement suggests an outage. Never returns.
    pub(super) async fn probe_when_suspected(&self, options: MySqlConnectOptions) {
        loop {
            self.suspected.notified().await;
            let began = Instant::now();
            let mut interval = FIRST_INTERVAL;
            while let Err(reason) = probe(&options).await {
                if began.elapsed() >= GRACE_PERIOD {
                    let why = format!("the database does not answer: {reason}");
                    self.begin_outage(&KnownOutage(why));
                }
                sleep(interval).await;
                interval = (interval * 2).min(MAX_INTERVAL);
            }
            if self.outage.send_replace(None).is_some() {
                tracing::info!(after = ?began.elapsed(), "the database answers again");
            }
        }
    }

    fn begin_outage(&self, outage: &KnownOutage) {
        // First, so that no statement that the outage ends returns its connection to the pool.
        self.discard_connections();
        let is_new = self.outage.send_if_modified(|known| {
            let is_new = known.is_none();
            *known = Some(outage.clone());
            is_new
        });
        if is_new {
            tracing::error!(reason = %outage.0, "the database is unavailable");
        }
    }
}

/// Reads a table on a new connection. A ping would not do: Vitess answers it even if it can't reach
/// the database behind it.
async fn probe(options: &MySqlConnectOptions) -> Result<(), String> {
    let query = async {
        let mut connection: MySqlConnection = options.connect().await?;
        connection.execute("SELECT name FROM guards LIMIT 1").await?;
        connection.close().await
    };
    match timeout(PROBE_TIMEOUT, query).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if is_answer(&error) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// Returns whether an error is the answer of a running server, for example that a table is missing
/// or that there are too many connections. Vitess reports an unreachable database as 1105.
fn is_answer(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    number.is_some_and(|number| !matches!(number, 1105 | 1053 | 2006 | 2013))
}
