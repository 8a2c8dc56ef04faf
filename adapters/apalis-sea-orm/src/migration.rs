//! Creates and drops the two tables, for a migration of the caller's: the crate keeps no history
//! of its own, so that an application has one.
//!
//! ```no_run
//! # use sea_orm_migration::prelude::*;
//! # struct CreateJobs;
//! # impl MigrationName for CreateJobs { fn name(&self) -> &str { "m0001_jobs" } }
//! #[async_trait::async_trait]
//! impl MigrationTrait for CreateJobs {
//!     async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
//!         apalis_sea_orm::migration::up(manager).await
//!     }
//!     async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
//!         apalis_sea_orm::migration::down(manager).await
//!     }
//! }
//! ```

use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::SchemaManager;
use sea_orm_migration::prelude::{
    ColumnDef, Index, IndexCreateStatement, IntoIden, Table, TableCreateStatement,
};

use crate::entity::{attempt, job};

/// Creates `jobs` and `job_attempts` with their indexes.
pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let engine = manager.get_database_backend();
    manager.create_table(jobs(engine)).await?;
    for index in job_indexes() {
        manager.create_index(index).await?;
    }
    manager.create_table(attempts(engine)).await?;
    manager.create_index(attempt_index()).await
}

/// Drops both tables and what is in them.
pub async fn down(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager.drop_table(Table::drop().table(attempt::Entity).to_owned()).await?;
    manager.drop_table(Table::drop().table(job::Entity).to_owned()).await
}

fn jobs(engine: DbBackend) -> TableCreateStatement {
    use job::Column as C;
    Table::create()
        .table(job::Entity)
        .col(id(C::Id).primary_key())
        .col(ascii(engine, C::Queue, 32).not_null())
        .col(ascii(engine, C::Kind, 64).not_null())
        .col(ColumnDef::new(C::Args).text().not_null())
        .col(ascii(engine, C::State, 12).not_null())
        .col(ColumnDef::new(C::Priority).small_integer().not_null())
        .col(ColumnDef::new(C::RunAt).big_integer().not_null())
        .col(ColumnDef::new(C::Attempts).integer().not_null())
        .col(ColumnDef::new(C::MaxAttempts).integer().not_null())
        .col(ColumnDef::new(C::Fence).big_integer().not_null())
        .col(case_exact(engine, C::UniqueKey, 190))
        .col(ascii(engine, C::LockedBy, 64).null())
        .col(ColumnDef::new(C::LeaseUntil).big_integer().null())
        .col(ascii(engine, C::LastErrorCode, 64).null())
        .col(ColumnDef::new(C::LastError).text().null())
        .col(ColumnDef::new(C::CreatedAt).big_integer().not_null())
        .col(ColumnDef::new(C::StartedAt).big_integer().null())
        .col(ColumnDef::new(C::FinishedAt).big_integer().null())
        .to_owned()
}

fn job_indexes() -> [IndexCreateStatement; 4] {
    use job::Column as C;
    let index = |name: &str, columns: &[job::Column]| {
        let mut index = Index::create().name(name).table(job::Entity).to_owned();
        for column in columns {
            index.col(*column);
        }
        index
    };
    [
        // Serves the order of a claim: without it every ready row is read and sorted.
        index("jobs_claim", &[C::Queue, C::State, C::Priority, C::RunAt, C::Id]),
        index("jobs_due", &[C::State, C::RunAt]),
        index("jobs_lease", &[C::State, C::LeaseUntil]),
        index("jobs_unique_key", &[C::UniqueKey]).unique().to_owned(),
    ]
}

fn attempts(engine: DbBackend) -> TableCreateStatement {
    use attempt::Column as C;
    Table::create()
        .table(attempt::Entity)
        .col(id(C::Id).primary_key())
        .col(id(C::JobId))
        .col(ColumnDef::new(C::Number).integer().not_null())
        .col(ColumnDef::new(C::Fence).big_integer().not_null())
        .col(ascii(engine, C::Worker, 64).not_null())
        .col(ColumnDef::new(C::StartedAt).big_integer().not_null())
        .col(ColumnDef::new(C::FinishedAt).big_integer().not_null())
        .col(ascii(engine, C::Outcome, 12).not_null())
        .col(ascii(engine, C::ErrorCode, 64).null())
        .col(ColumnDef::new(C::Error).text().null())
        .col(ascii(engine, C::RequestId, 64).null())
        .to_owned()
}

fn attempt_index() -> IndexCreateStatement {
    Index::create()
        .name("job_attempts_job")
        .table(attempt::Entity)
        .col(attempt::Column::JobId)
        .col(attempt::Column::Number)
        .to_owned()
}

fn id(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).binary_len(16).not_null().to_owned()
}

/// A byte a character and compared byte by byte; SQLite compares so by itself.
fn ascii(engine: DbBackend, name: impl IntoIden, length: u32) -> ColumnDef {
    typed(engine, name, length, "ascii", "ascii_bin")
}

/// Any text, told apart by case and accent. This collation, unlike those named `0900`, is known
/// to MySQL and to MariaDB.
fn case_exact(engine: DbBackend, name: impl IntoIden, length: u32) -> ColumnDef {
    typed(engine, name, length, "utf8mb4", "utf8mb4_bin")
}

fn typed(
    engine: DbBackend,
    name: impl IntoIden,
    length: u32,
    charset: &str,
    collation: &str,
) -> ColumnDef {
    let column = &mut ColumnDef::new(name);
    match engine {
        DbBackend::MySql => {
            column.custom(format!("varchar({length}) CHARACTER SET {charset} COLLATE {collation}"))
        }
        _ => column.string_len(length),
    }
    .to_owned()
}
