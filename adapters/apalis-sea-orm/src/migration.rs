//! Creates and drops the tables, for use in a migration of the application. The crate keeps no
//! migration history of its own.
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
    Alias, ColumnDef, Expr, Index, IndexCreateStatement, IntoIden, Table, TableCreateStatement,
};

use crate::{
    entity::{attempt, job, queue, rate, worker},
    stats::{self, OUTCOMES, buckets},
};

/// Creates `jobs`, `job_attempts`, `job_queues`, `job_rates`, `job_workers` and `job_stats` with
/// their indexes. Keeps those that exist, so it can be run again after an interruption. On MySQL
/// each table is one statement.
pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let engine = manager.get_database_backend();
    create(manager, jobs(engine), job_indexes().to_vec()).await?;
    create(manager, attempts(engine), vec![attempt_index()]).await?;
    for table in [queues(engine), rates(engine), workers(engine), statistics(engine)] {
        create(manager, table, vec![]).await?;
    }
    Ok(())
}

async fn create(
    manager: &SchemaManager<'_>,
    mut table: TableCreateStatement,
    indexes: Vec<IndexCreateStatement>,
) -> Result<(), DbErr> {
    table.if_not_exists();
    if manager.get_database_backend() == DbBackend::MySql {
        for mut index in indexes {
            table.index(&mut index);
        }
        return manager.create_table(table).await;
    }
    manager.create_table(table).await?;
    for mut index in indexes {
        manager.create_index(index.if_not_exists().to_owned()).await?;
    }
    Ok(())
}

/// Drops the tables that exist, with all their rows.
pub async fn down(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for mut table in [
        Table::drop().table(stats::TABLE).to_owned(),
        Table::drop().table(worker::Entity).to_owned(),
        Table::drop().table(rate::Entity).to_owned(),
        Table::drop().table(queue::Entity).to_owned(),
        Table::drop().table(attempt::Entity).to_owned(),
        Table::drop().table(job::Entity).to_owned(),
    ] {
        manager.drop_table(table.if_exists().to_owned()).await?;
    }
    Ok(())
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
        .col(ColumnDef::new(C::CancelRequestedAt).big_integer().null())
        .col(
            ColumnDef::new(C::NextChangeAt)
                .big_integer()
                .generated(Expr::cust(NEXT_CHANGE_AT), true),
        )
        .to_owned()
}

/// One index on this column, instead of three, serves promoting, rescuing and pruning, and reduces
/// the cost of a job's state changes.
const NEXT_CHANGE_AT: &str = "CASE state WHEN 'running' THEN lease_until WHEN 'done' THEN finished_at \
    WHEN 'dead' THEN finished_at WHEN 'cancelled' THEN finished_at ELSE run_at END";

fn job_indexes() -> [IndexCreateStatement; 5] {
    use job::Column as C;
    let index = |name: &str, columns: &[job::Column]| {
        let mut index = Index::create().name(name).table(job::Entity).to_owned();
        for column in columns {
            index.col(*column);
        }
        index
    };
    [
        // Has the order of a claim, which would otherwise read and sort every ready row. Also
        // serves counts by state and queue.
        index("jobs_claim", &[C::State, C::Queue, C::Priority, C::RunAt, C::Id]),
        index("jobs_turn", &[C::State, C::NextChangeAt]),
        index("jobs_list", &[C::State, C::Id]),
        // Written only once for a job that never fails.
        index("jobs_error", &[C::LastErrorCode, C::Id]),
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

fn queues(engine: DbBackend) -> TableCreateStatement {
    use queue::Column as C;
    Table::create()
        .table(queue::Entity)
        .col(ascii(engine, C::Name, 32).not_null().primary_key())
        .col(ColumnDef::new(C::PausedAt).big_integer().null())
        .col(case_exact(engine, C::PausedBy, 190))
        .col(ColumnDef::new(C::Reason).text().null())
        .to_owned()
}

fn rates(engine: DbBackend) -> TableCreateStatement {
    use rate::Column as C;
    Table::create()
        .table(rate::Entity)
        .col(ascii(engine, C::Name, 64).not_null().primary_key())
        .col(ColumnDef::new(C::NextFree).big_integer().not_null())
        .col(ColumnDef::new(C::HeldUntil).big_integer().not_null())
        .col(ColumnDef::new(C::SeenAt).big_integer().not_null())
        .to_owned()
}

fn workers(engine: DbBackend) -> TableCreateStatement {
    use worker::Column as C;
    Table::create()
        .table(worker::Entity)
        .col(ascii(engine, C::Id, 64).not_null().primary_key())
        .col(ColumnDef::new(C::StartedAt).big_integer().not_null())
        .col(ColumnDef::new(C::SeenAt).big_integer().not_null())
        .col(ColumnDef::new(C::Queues).text().not_null())
        .col(ColumnDef::new(C::Running).integer().not_null())
        .col(ColumnDef::new(C::Concurrency).integer().not_null())
        .col(case_exact(engine, C::Host, 190).not_null())
        .col(ColumnDef::new(C::Pid).big_integer().not_null())
        .col(ascii(engine, C::WakeAddress, 64).null())
        .col(ColumnDef::new(C::Info).text().null())
        .to_owned()
}

fn statistics(engine: DbBackend) -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table(stats::TABLE)
        .col(ColumnDef::new("minute").big_integer().not_null())
        .col(ascii(engine, "queue", 32).not_null())
        .col(ascii(engine, "worker", 64).not_null())
        .col(ColumnDef::new("stripe").small_integer().not_null());
    let outcomes = OUTCOMES.into_iter().map(ToOwned::to_owned);
    for count in outcomes.chain(buckets("wait")).chain(buckets("run")) {
        table.col(ColumnDef::new(Alias::new(count)).integer().not_null().default(0));
    }
    let mut key = Index::create().col("minute").col("queue").col("worker").col("stripe").to_owned();
    table.primary_key(&mut key);
    table
}

fn id(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).binary_len(16).not_null().to_owned()
}

/// ASCII text, compared byte by byte, as SQLite does by default.
fn ascii(engine: DbBackend, name: impl IntoIden, length: u32) -> ColumnDef {
    typed(engine, name, length, "ascii", "ascii_bin")
}

/// Unicode text, compared with case and accents. This collation, unlike those named `0900`, exists
/// on MySQL and MariaDB.
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
