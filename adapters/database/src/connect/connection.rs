//! A connection pool that observes the database's health.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use super::file::{DatabaseFile, FileGone};
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
        self.check_file().map_err(|gone| KnownOutage(gone.to_string()).into())
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
            let error = match self.health.watch(query()).await {
                Err(error) if classify(&error) == ErrorClass::ConnectionLost => error,
                result => return result,
            };
            if !retry.wait(ErrorClass::ConnectionLost).await {
                return Err(error);
            }
        }
    }

    /// Runs a statement that may write, once.
    async fn execute_once(
        &self,
        call: impl Future<Output = Result<ExecResult, DbErr>> + Send,
    ) -> Result<ExecResult, DbErr> {
        self.require_file()?;
        let result = self.health.watch(call).await;
        if let (true, Err(error)) = (self.writes, &result) {
            self.health.write_failed(error);
        }
        result
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
