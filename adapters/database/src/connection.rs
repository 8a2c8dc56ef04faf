//! A pool of connections that knows the database's health.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::errors::{Class, class};
use crate::file::DatabaseFile;
use crate::health::{Health, KnownOutage};
use crate::retry::Tries;
use crate::schema::SchemaError;

/// A pool of connections. A query whose connection was lost is repeated on another one; no
/// statement waits for a database that is known to be unavailable.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(crate) pool: DatabaseConnection,
    pub(crate) health: Arc<Health>,
    pub(crate) writes: bool,
    pub(crate) file: Option<Arc<DatabaseFile>>,
}

impl Connection {
    /// The pool itself, whose statements wait as long as the server takes.
    pub fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Begins a transaction that writes. SQLite takes its lock at once, for a lock taken later
    /// can't be waited for.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.require_file()?;
        let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..Default::default() };
        self.pool.begin_with_options(options).await
    }

    /// Fails if the file of an SQLite database was deleted or replaced since it was opened: what is
    /// still open would answer from the past, and keep what nobody finds again.
    pub(crate) fn check_file(&self) -> Result<(), SchemaError> {
        let is_gone = self.file.as_ref().is_some_and(|file| file.is_gone());
        if is_gone { Err(SchemaError::FileGone) } else { Ok(()) }
    }

    fn require_file(&self) -> Result<(), DbErr> {
        self.check_file().map_err(|gone| KnownOutage(gone.to_string()).into_error())
    }

    /// Runs a query, again while its connection is lost: it changes nothing.
    async fn query<T, F>(&self, query: impl Fn() -> F + Send + Sync) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>> + Send,
        T: Send,
    {
        self.require_file()?;
        let mut tries = Tries::new();
        loop {
            let error = match self.health.watch(query()).await {
                Err(error) if class(&error) == Class::Lost => error,
                result => return result,
            };
            if !tries.again(Class::Lost).await {
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
