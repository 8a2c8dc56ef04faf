//! An open database.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, metric};
use sqlx::mysql::MySqlConnectOptions;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::{Connection, DatabaseFile, FileGone};
use super::health::{Health, WriteFailure};

/// An open database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    read: Connection,
    write: Connection,
    health: Arc<Health>,
    /// Stops the task that probes the server when the last clone is dropped.
    prober: Arc<DropGuard>,
}

impl Database {
    pub(super) fn new(
        read: DatabaseConnection,
        write: DatabaseConnection,
        health: Arc<Health>,
        file: Option<DatabaseFile>,
    ) -> Self {
        let file = file.map(Arc::new);
        let connection = |pool, writes| {
            let (health, file) = (Arc::clone(&health), file.clone());
            Connection { pool, health, writes, file }
        };
        Self {
            read: connection(read, false),
            write: connection(write, true),
            prober: Arc::new(CancellationToken::new().drop_guard()),
            health,
        }
    }

    /// Returns the connection for queries. On SQLite it cannot write.
    pub fn read(&self) -> &Connection {
        &self.read
    }

    /// Returns the connection for statements that write. On SQLite its pool has one connection.
    pub fn write(&self) -> &Connection {
        &self.write
    }

    pub fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    /// Returns an error if the file of an SQLite database was deleted or replaced since it was
    /// opened.
    pub fn check_file(&self) -> Result<(), FileGone> {
        self.write.check_file()
    }

    /// Closes all connections once they are idle.
    pub async fn close(self) {
        // A failure to close cannot be handled.
        let _ = self.read.pool.close().await;
        let _ = self.write.pool.close().await;
    }

    /// Calls `observer` after every statement.
    #[must_use]
    pub fn observed<F>(mut self, observer: F) -> Self
    where
        F: Fn(&metric::Info<'_>) + Clone + Send + Sync + 'static,
    {
        self.read.pool.set_metric_callback(observer.clone());
        self.write.pool.set_metric_callback(observer);
        self
    }

    /// Returns the failure of writes since the last write that succeeded.
    pub fn write_failure(&self) -> Option<WriteFailure> {
        self.health.write_failure()
    }

    /// Records the error of a statement that was sent through [`Connection::pool`]. After a lost
    /// connection or an answer of a read-only server, the open connections are not used again.
    pub fn record_error(&self, error: &DbErr) {
        self.health.record_error(error);
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.write.begin().await
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// Starts the task that probes the server after suspicious errors, until the last clone of
    /// this database is dropped.
    pub(super) fn start_prober(&self, options: MySqlConnectOptions) {
        let (health, dropped) = (Arc::clone(&self.health), self.prober.token().clone());
        tokio::spawn(async move {
            dropped.run_until_cancelled(health.probe_when_suspected(options)).await;
        });
    }
}
