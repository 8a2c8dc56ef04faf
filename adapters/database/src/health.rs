//! Whether the database can be used at the moment, shared by all connections of a
//! [`Database`](crate::Database).
//!
//! A statement that takes longer than [`SLOW`] or loses its connection starts a probe in the
//! background. Once probes have failed for [`GRACE`], the database counts as unavailable: statements
//! that wait fail, and new ones fail at once, until a probe succeeds.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError};
use sqlx::{ConnectOptions, Connection, Executor};
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::errors::{Class, class, message};

/// How long a statement may take before the database is probed.
const SLOW: Duration = Duration::from_secs(1);
/// How long probes must have failed before the database counts as unavailable, so that a server
/// that restarts quickly refuses nobody.
const GRACE: Duration = Duration::from_secs(3);
/// How long one probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause between two probes, which doubles.
const FIRST_INTERVAL: Duration = Duration::from_millis(300);
const LONGEST_INTERVAL: Duration = Duration::from_secs(2);

/// What a statement fails with while the database is known to be unavailable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub(crate) struct KnownOutage(pub(crate) String);

impl KnownOutage {
    pub(crate) fn is_in(error: &std::io::Error) -> bool {
        error.get_ref().and_then(|error| error.downcast_ref::<Self>()).is_some()
    }

    pub(crate) fn into_error(self) -> DbErr {
        let error = std::io::Error::other(self);
        DbErr::Conn(RuntimeErr::SqlxError(sqlx::Error::Io(error).into()))
    }
}

/// Writes that fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteFailure {
    /// How long ago the first of them failed.
    pub age: Duration,
    /// The last one's error.
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
    /// Connections opened at this time or before are closed instead of used again.
    discarded_until: Mutex<Option<Instant>>,
    /// True for a server. On SQLite a slow statement does not suggest an outage.
    has_server: bool,
}

impl Health {
    pub(crate) fn new(has_server: bool) -> Self {
        Self {
            outage: watch::Sender::new(None),
            suspected: Notify::new(),
            failed_writes: Mutex::default(),
            last_write: Mutex::default(),
            discarded_until: Mutex::default(),
            has_server,
        }
    }

    /// Runs a statement, or a transaction, unless the database is or becomes unavailable.
    pub(crate) async fn watch<T>(
        &self,
        call: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        if !self.has_server {
            return self.inspect(call.await);
        }
        let known = self.outage.borrow().clone();
        if let Some(outage) = known {
            return Err(outage.into_error());
        }
        let result = tokio::select! {
            biased;
            result = call => result,
            outage = self.outage_during_slow_call() => Err(outage.into_error()),
        };
        self.inspect(result)
    }

    async fn outage_during_slow_call(&self) -> KnownOutage {
        sleep(SLOW).await;
        self.suspected.notify_one();
        let mut outage = self.outage.subscribe();
        loop {
            if let Some(outage) = outage.borrow_and_update().clone() {
                return outage;
            }
            // The sender is a field of `self`, so it is not closed.
            if outage.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Discards connections and requests a probe, depending on the error.
    fn inspect<T>(&self, result: Result<T, DbErr>) -> Result<T, DbErr> {
        if let Err(error) = &result {
            self.failed(error);
        }
        result
    }

    /// See [`Self::inspect`]; for errors of code that does not go through [`Self::watch`].
    pub(crate) fn failed(&self, error: &DbErr) {
        match class(error) {
            Class::Lost => {
                self.discard_connections();
                self.suspected.notify_one();
            }
            Class::ReadOnly => self.discard_connections(),
            Class::Away => self.suspected.notify_one(),
            Class::Conflict | Class::Again | Class::Down | Class::Bug => {}
        }
    }

    /// Closes all connections that are open now, each when it is idle, so that none is used again.
    pub(crate) fn discard_connections(&self) {
        *lock(&self.discarded_until) = Some(Instant::now());
    }

    /// Whether a connection that was opened so long ago may be used again.
    pub(crate) fn may_use(&self, age: Duration) -> bool {
        lock(&self.discarded_until).is_none_or(|until| until.elapsed() > age)
    }

    /// How long ago the last write succeeded.
    pub(crate) fn last_write_age(&self) -> Option<Duration> {
        lock(&self.last_write).map(|at| at.elapsed())
    }

    pub(crate) fn write_succeeded(&self) {
        *lock(&self.last_write) = Some(Instant::now());
        let mut failed = lock(&self.failed_writes);
        if failed.take().is_some() {
            tracing::info!("the database takes writes again");
        }
    }

    pub(crate) fn write_failed(&self, error: &DbErr) {
        if !matches!(class(error), Class::Away | Class::Lost | Class::ReadOnly | Class::Down) {
            return;
        }
        let mut failed = lock(&self.failed_writes);
        let first = failed.as_ref().map(|failed| failed.first);
        if first.is_none() {
            tracing::warn!(%error, "the database refuses writes");
        }
        let first = first.unwrap_or_else(Instant::now);
        *failed = Some(FailedWrites { first, reason: message(error) });
    }

    /// The writes that have failed since the last one that succeeded.
    pub(crate) fn write_failure(&self) -> Option<WriteFailure> {
        lock(&self.failed_writes).as_ref().map(|failed| WriteFailure {
            age: failed.first.elapsed(),
            reason: failed.reason.clone(),
        })
    }

    /// Probes the server whenever something suggests that it is unavailable; ends when cancelled.
    pub(crate) async fn probe_when_suspected(&self, options: MySqlConnectOptions) {
        loop {
            self.suspected.notified().await;
            let began = Instant::now();
            let mut interval = FIRST_INTERVAL;
            while let Err(reason) = probe(&options).await {
                if began.elapsed() >= GRACE {
                    let why = format!("the database does not answer: {reason}");
                    self.outage_found(&KnownOutage(why));
                }
                sleep(interval).await;
                interval = (interval * 2).min(LONGEST_INTERVAL);
            }
            if self.outage.send_replace(None).is_some() {
                tracing::info!(after = ?began.elapsed(), "the database answers again");
            }
        }
    }

    fn outage_found(&self, outage: &KnownOutage) {
        // First, so that no call that the news ends gives its connection back to be used again.
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

/// Asks a table for a row on a connection of its own: Vitess answers a ping itself, whether or not
/// the database behind it can be reached.
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

/// Whether an error comes from a server that is up, such as one that lacks the table or has too many
/// connections. Vitess reports a database that it can't reach as 1105.
fn is_answer(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    number.is_some_and(|number| !matches!(number, 1105 | 1053 | 2006 | 2013))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
