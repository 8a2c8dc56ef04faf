//! Lets one process at a time migrate a MySQL database, which cannot undo half a migration: a row
//! says who does and which migration it is at. There is no advisory lock, for Vitess has none, and
//! the row of a process that died ends by the database's clock.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, SqlErr, Statement, Value,
};

use crate::MigrationError;

/// Has a row only while a migration is under way, or after one was cut short.
pub(crate) const TABLE: &str = "migration_lease";

/// How long a lease lasts without being renewed.
const LENGTH: Duration = Duration::from_secs(10);
const RENEWAL: Duration = Duration::from_secs(2);
/// Between two tries to get a lease that another process has.
const WAIT: Duration = Duration::from_millis(200);

const CREATE: &str = "CREATE TABLE IF NOT EXISTS migration_lease (\
    id smallint NOT NULL PRIMARY KEY, \
    holder varchar(64) NOT NULL, \
    ends_at bigint NOT NULL, \
    migration varchar(190))";
const TAKE_NEW: &str = "INSERT INTO migration_lease (id, holder, ends_at) \
    VALUES (1, ?, UNIX_TIMESTAMP() + ?)";
/// An end more than 60 s ahead was written before the clock was set back.
const TAKE_OVER: &str = "UPDATE migration_lease SET holder = ?, ends_at = UNIX_TIMESTAMP() + ? \
    WHERE id = 1 AND (ends_at < UNIX_TIMESTAMP() OR ends_at > UNIX_TIMESTAMP() + 60)";
const RENEW: &str = "UPDATE migration_lease SET ends_at = UNIX_TIMESTAMP() + ? \
    WHERE id = 1 AND holder = ?";
const EXPIRE: &str = "UPDATE migration_lease SET ends_at = 0 WHERE id = 1 AND holder = ?";
const NOTE: &str = "UPDATE migration_lease SET migration = ? WHERE id = 1 AND holder = ?";
const DELETE: &str =
    "DELETE FROM migration_lease WHERE id = 1 AND holder = ? AND migration IS NULL";

/// The right to migrate.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    db: &'a DatabaseConnection,
    holder: String,
}

impl<'a> Lease<'a> {
    /// Waits until no other process migrates.
    pub(crate) async fn acquire(db: &'a DatabaseConnection) -> Result<Self, DbErr> {
        let random = RandomState::new().build_hasher().finish();
        let lease = Self { db, holder: format!("{}-{random:016x}", std::process::id()) };
        let mut waited = false;
        while !lease.try_acquire().await? {
            if !waited {
                tracing::info!("another process migrates this database; waiting until it is done");
                waited = true;
            }
            tokio::time::sleep(WAIT).await;
        }
        Ok(lease)
    }

    async fn try_acquire(&self) -> Result<bool, DbErr> {
        let values = || vec![self.holder.as_str().into(), length()];
        match self.execute(TAKE_NEW, values()).await {
            Ok(_) => return Ok(true),
            Err(error) if is(&error, NO_SUCH_TABLE) => {
                self.execute(CREATE, vec![]).await?;
                return Ok(false);
            }
            Err(error) if is(&error, DEADLOCK) => return Ok(false),
            Err(error) if !is_taken(&error) => return Err(error),
            Err(_) => {}
        }
        match self.execute(TAKE_OVER, values()).await {
            Ok(taken) => Ok(taken == 1),
            Err(error) if is(&error, DEADLOCK) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Renews the lease until it is lost.
    pub(crate) async fn keep(&self) -> MigrationError {
        let mut renewed_at = Instant::now();
        loop {
            tokio::time::sleep(RENEWAL).await;
            let began = Instant::now();
            let renewed = self.execute(RENEW, vec![length(), self.holder.as_str().into()]).await;
            match renewed {
                Ok(1) => renewed_at = began,
                Ok(_) => return MigrationError::Overtaken,
                Err(_) if renewed_at.elapsed() > LENGTH => return MigrationError::Overtaken,
                // The migration's own statements tell what is wrong with the database.
                Err(error) => tracing::warn!(%error, "the lease to migrate was not renewed"),
            }
        }
    }

    /// The migration that another process, which was cut short, was at.
    pub(crate) async fn unfinished(&self) -> Result<Option<String>, DbErr> {
        let query = "SELECT migration FROM migration_lease WHERE id = 1";
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::MySql, query)).await?;
        row.map_or(Ok(None), |row| row.try_get_by_index(0))
    }

    /// Notes that a migration begins, or that none is under way.
    pub(crate) async fn note(&self, migration: Option<&str>) -> Result<(), MigrationError> {
        let values = vec![migration.map(ToOwned::to_owned).into(), self.holder.as_str().into()];
        match self.execute(NOTE, values).await? {
            1 => Ok(()),
            _ => Err(MigrationError::Overtaken),
        }
    }

    /// Gives it to the next process. What was cut short stays noted.
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

fn length() -> Value {
    LENGTH.as_secs().into()
}

const NO_SUCH_TABLE: u16 = 1146;
const DEADLOCK: u16 = 1213;

fn is(error: &DbErr, number: u16) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    error.is_some_and(|error| error.number() == number)
}

fn is_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}
