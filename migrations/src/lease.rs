//! One process at a time migrates a database: on SQLite within a transaction, on MySQL with a lease.
//!
//! The lease is a row with the holder and its current migration, which MySQL can't roll back. Vitess
//! has no advisory locks; the lease of a process that died expires by the database's clock.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use apalis_sea_orm::{ErrorClass, ErrorCode, classify, error_code};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};

use crate::MigrationError;

/// The table of the lease. It has a row only during a migration or after an interrupted one.
pub(crate) const TABLE: &str = "migration_lease";

/// How long a lease lasts without a renewal.
const DURATION: Duration = Duration::from_secs(10);
const RENEWAL_INTERVAL: Duration = Duration::from_secs(2);
/// The pause between two attempts to exclude other processes.
const PAUSE: Duration = Duration::from_millis(200);
const LOG_INTERVAL: Duration = Duration::from_secs(30);

const NO_SUCH_TABLE: ErrorCode = ErrorCode::MySql(1146);

const CREATE: &str = "CREATE TABLE IF NOT EXISTS migration_lease (\
    id smallint NOT NULL PRIMARY KEY, \
    holder varchar(64) NOT NULL, \
    ends_at bigint NOT NULL, \
    migration varchar(190))";
const INSERT: &str = "INSERT INTO migration_lease (id, holder, ends_at) \
    VALUES (1, ?, UNIX_TIMESTAMP() + ?)";
/// A lease that ends more than 60 s ahead was written before the clock was set back.
const TAKE_OVER: &str = "UPDATE migration_lease SET holder = ?, ends_at = UNIX_TIMESTAMP() + ? \
    WHERE id = 1 AND (ends_at < UNIX_TIMESTAMP() OR ends_at > UNIX_TIMESTAMP() + 60)";
const RENEW: &str = "UPDATE migration_lease SET ends_at = UNIX_TIMESTAMP() + ? \
    WHERE id = 1 AND holder = ?";
const EXPIRE: &str = "UPDATE migration_lease SET ends_at = 0 WHERE id = 1 AND holder = ?";
const SET_MIGRATION: &str = "UPDATE migration_lease SET migration = ? WHERE id = 1 AND holder = ?";
const DELETE: &str =
    "DELETE FROM migration_lease WHERE id = 1 AND holder = ? AND migration IS NULL";

/// The right to migrate.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    db: &'a DatabaseConnection,
    holder: String,
}

impl<'a> Lease<'a> {
    /// Waits until no other process holds the lease.
    pub(crate) async fn acquire(db: &'a DatabaseConnection) -> Result<Self, DbErr> {
        let random = RandomState::new().build_hasher().finish();
        let lease = Self { db, holder: format!("{}-{random:016x}", std::process::id()) };
        let mut wait =
            Wait::new("another process migrates this database; waiting until it is done");
        while !lease.try_acquire().await? {
            wait.pause().await;
        }
        Ok(lease)
    }

    async fn try_acquire(&self) -> Result<bool, DbErr> {
        let values = || vec![self.holder.as_str().into(), duration()];
        match self.execute(INSERT, values()).await {
            Ok(_) => return Ok(true),
            Err(error) if error_code(&error) == Some(NO_SUCH_TABLE) => {
                self.execute(CREATE, vec![]).await?;
                return Ok(false);
            }
            Err(error) => match classify(&error) {
                ErrorClass::UniqueViolation => {}
                ErrorClass::Retryable => return Ok(false),
                _ => return Err(error),
            },
        }
        match self.execute(TAKE_OVER, values()).await {
            Ok(updated) => Ok(updated == 1),
            Err(error) if classify(&error) == ErrorClass::Retryable => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Renews the lease until it is lost, and returns the reason.
    pub(crate) async fn renew_until_lost(&self) -> MigrationError {
        let mut renewed_at = Instant::now();
        loop {
            tokio::time::sleep(RENEWAL_INTERVAL).await;
            let began = Instant::now();
            let renewed = self.execute(RENEW, vec![duration(), self.holder.as_str().into()]).await;
            match renewed {
                Ok(1) => renewed_at = began,
                Ok(_) => return MigrationError::Overtaken,
                Err(_) if renewed_at.elapsed() > DURATION => return MigrationError::Overtaken,
                // The migration's own statements report what is wrong with the database.
                Err(error) => tracing::warn!(%error, "the migration lease was not renewed"),
            }
        }
    }

    /// Returns the migration at which another process was interrupted.
    pub(crate) async fn interrupted_migration(&self) -> Result<Option<String>, DbErr> {
        let query = "SELECT migration FROM migration_lease WHERE id = 1";
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::MySql, query)).await?;
        row.map_or(Ok(None), |row| row.try_get_by_index(0))
    }

    /// Records the current migration, or that there is none.
    pub(crate) async fn set_migration(
        &self,
        migration: Option<&str>,
    ) -> Result<(), MigrationError> {
        let values = vec![migration.map(ToOwned::to_owned).into(), self.holder.as_str().into()];
        match self.execute(SET_MIGRATION, values).await? {
            1 => Ok(()),
            _ => Err(MigrationError::Overtaken),
        }
    }

    /// Releases the lease. An interrupted migration stays recorded.
    pub(crate) async fn release(self) -> Result<(), DbErr> {
        let holder = || vec![self.holder.as_str().into()];
        if self.execute(DELETE, holder()).await? == 0 {
            self.execute(EXPIRE, holder()).await?;
        }
        Ok(())
    }

    async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<u64, DbErr> {
        let statement = Statement::from_sql_and_values(DbBackend::MySql, sql, values);
        Ok(self.db.execute_raw(statement).await?.rows_affected())
    }
}

fn duration() -> Value {
    DURATION.as_secs().into()
}

/// Begins a transaction that holds SQLite's write lock. Waits until no other process holds it.
pub(crate) async fn begin_immediate(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let mut wait = Wait::new("another process writes to this database; waiting for it");
    loop {
        let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..Default::default() };
        match db.begin_with_options(options).await {
            Err(error) if classify(&error) == ErrorClass::Retryable => wait.pause().await,
            result => return result,
        }
    }
}

/// A wait that is logged when it starts and every 30 seconds while it lasts.
struct Wait {
    message: &'static str,
    started_at: Instant,
    next_log: Instant,
}

impl Wait {
    fn new(message: &'static str) -> Self {
        let now = Instant::now();
        Self { message, started_at: now, next_log: now }
    }

    /// Pauses before the next attempt.
    async fn pause(&mut self) {
        if self.is_log_due(Instant::now()) {
            let waited = self.started_at.elapsed().as_secs();
            tracing::info!(waited_seconds = waited, "{}", self.message);
        }
        tokio::time::sleep(PAUSE).await;
    }

    fn is_log_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next_log;
        if is_due {
            self.next_log = now + LOG_INTERVAL;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_logged_at_its_start_and_every_30_seconds() {
        let mut wait = Wait::new("waiting");
        let start = wait.started_at;
        let logged_at: Vec<u64> = (0..100)
            .filter(|seconds| wait.is_log_due(start + Duration::from_secs(*seconds)))
            .collect();
        assert_eq!(logged_at, [0, 30, 60, 90]);
    }
}
