//! Checks that the database accepts writes.

use std::time::Duration;

use apalis_sea_orm::ErrorClass;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{DbBackend, DbErr, EntityTrait, RuntimeErr};
use tokio::time::timeout;

use crate::connect::Database;
use crate::error::classify;
use crate::tables::{guards, idempotency_keys};

/// The guard that [`Database::check_writable`] increments.
const GUARD: &str = "write_check";
/// A write that succeeded within this time makes a check unnecessary.
const RECENT: Duration = Duration::from_secs(2);
/// The size of the row that [`check_disk_space`] writes, in bytes: more than an ordinary
/// transaction.
const LARGE_ROW: usize = 256 * 1024;

/// How long a check waits for the lock of an SQLite file. Prometheus and load balancers wait for less
/// than the time after which a write gives up.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

impl Database {
    /// Returns an error if the database does not accept writes, or if another program locks the
    /// SQLite file for more than [`LOCK_TIMEOUT`].
    pub(crate) async fn check_writable(&self) -> Result<(), DbErr> {
        if self.backend() != DbBackend::Sqlite {
            return self.write_check().await;
        }
        timeout(LOCK_TIMEOUT, self.write_check()).await.unwrap_or_else(|_| {
            let reason = "another program has locked the database file";
            let error = DbErr::Conn(RuntimeErr::Internal(reason.to_owned()));
            self.health().write_failed(&error);
            Err(error)
        })
    }

    /// Writes a row, unless a write has succeeded recently. A database that answers queries may
    /// still have a full disk or be read-only.
    async fn write_check(&self) -> Result<(), DbErr> {
        use guards::{Column, Entity, first_row};
        let health = self.health();
        if self.write_failure().is_some() {
            // A nearly full disk may have space for the small row below but not for a change.
            check_disk_space(self).await?;
        } else if health.last_write_age().is_some_and(|age| age < RECENT) {
            return Ok(());
        }
        let increment = OnConflict::column(Column::Name)
            .value(Column::Version, Expr::col(Column::Version).add(1))
            .to_owned();
        let insert = Entity::insert(first_row(GUARD)).on_conflict(increment);
        insert.exec_without_returning(self.write()).await?;
        health.write_succeeded();
        Ok(())
    }
}

/// Inserts and deletes a large row. Its key is no SHA-256 of a request, and a row that is left
/// behind is old enough to be deleted with the expired keys.
async fn check_disk_space(database: &Database) -> Result<(), DbErr> {
    use idempotency_keys::{ActiveModel, DONE, Entity};
    let key = vec![0; 32];
    let row = ActiveModel {
        key_hash: Set(key.clone()),
        request_hash: Set(key.clone()),
        state: Set(DONE.to_owned()),
        lease_until: Set(0),
        content: Set(Some("x".repeat(LARGE_ROW))),
        created_at: Set(0),
        ..ActiveModel::default()
    };
    match Entity::insert(row).exec_without_returning(database.write()).await {
        Err(error) if classify(&error) != ErrorClass::UniqueViolation => return Err(error),
        // Inserted, or another process has just inserted it.
        _ => {}
    }
    Entity::delete_by_id(key).exec(database.write()).await.map(drop)
}
