//! A connection pool that observes the database's health and, on SQLite, its file.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use sqlx::sqlite::SqliteConnectOptions;
use thiserror::Error;

use super::health::Health;
use crate::error::{ErrorClass, KnownOutage, classify};
use crate::retry::Retry;

/// A connection pool. Repeats a query whose connection was lost. While the database is known to be
/// unavailable, statements fail at once.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(super) pool: DatabaseConnection,
    pub(super) health: Arc<Health>,
    pub(super) writes: bool,
    pub(super) file: Option<Arc<DatabaseFile>>,
}

impl Connection {
    /// Returns the underlying pool, whose statements wait as long as the server takes.
    pub fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Begins a transaction that writes. On SQLite it takes the write lock at once, because SQLite
    /// does not wait for a lock that a transaction takes later.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.require_file()?;
        let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..Default::default() };
        self.pool.begin_with_options(options).await
    }

    /// Returns an error if the file of an SQLite database was deleted or replaced since it was
    /// opened: the open file holds outdated rows, and writes to it would be lost.
    pub(super) fn check_file(&self) -> Result<(), FileGone> {
        self.file.as_ref().map_or(Ok(()), |file| file.check())
    }

    fn require_file(&self) -> Result<(), DbErr> {
        self.check_file().map_err(|error| KnownOutage(error.to_string()).into())
    }

    /// Runs a query, and repeats it if the connection is lost.
    async fn query<T, F>(&self, query: impl Fn() -> F + Send + Sync) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>> + Send,
        T: Send,
    {
        self.require_file()?;
        let mut retry = Retry::new();
        loop {
            match self.health.watch(query()).await {
                Err(error)
                    if classify(&error) == ErrorClass::ConnectionLost
                        && retry.wait(ErrorClass::ConnectionLost).await => {}
                result => return result,
            }
        }
    }

    /// Runs a statement that may write, once.
    async fn execute_once(
        &self,
        call: impl Future<Output = Result<ExecResult, DbErr>> + Send,
    ) -> Result<ExecResult, DbErr> {
        self.require_file()?;
        self.health.watch(call).await.inspect_err(|error| {
            if self.writes {
                self.health.write_failed(error);
            }
        })
    }
}

#[async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.execute_once(self.pool.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_once(self.pool.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.query(|| self.pool.query_one_raw(statement.clone())).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.query(|| self.pool.query_all_raw(statement.clone())).await
    }
}

/// The file of an SQLite database was deleted or replaced while this process had it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the database file was deleted or replaced while this process had it open: restore it if need \
     be, then restart"
)]
pub struct FileGone;

/// A database file that this process has open.
#[derive(Debug, Clone)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// Device and inode of the open file.
    identity: (u64, u64),
}

impl DatabaseFile {
    /// Records the identity of a file that was just opened.
    pub(super) fn opened(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// Returns an error if the path names another file, or none.
    pub(super) fn check(&self) -> Result<(), FileGone> {
        match identity(&self.path) {
            Ok(identity) if identity != self.identity => Err(FileGone),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FileGone),
            _ => Ok(()),
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Creates the file with mode 0600 if it is missing. SQLite gives the same mode to the files beside
/// it.
///
/// An existing file is not opened: closing it would release the locks that SQLite holds on it
/// elsewhere in this process.
pub(super) fn create_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Returns the path in an SQLite URL, or `None` for another or an invalid URL.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    if !url.starts_with("sqlite:") {
        return None;
    }
    let options: SqliteConnectOptions = url.parse().ok()?;
    Some(options.get_filename().to_owned())
}
