//! Up, down, and how things stand.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::prelude::{Expr, ExprTrait, Query};
use sea_orm_migration::{
    IntoSchemaManagerConnection, MigrationStatus, MigratorTrait, SchemaManager,
};

use crate::lease::{self, Lease};
use crate::{Migrator, check::MigrationError, check::refuse_foreign_tables};

/// Another process wrote for longer than this program waits for it.
const SQLITE_BUSY: u32 = 5;
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// A migration and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// E.g. `m20261123_000001_users`.
    pub name: String,
    /// Whether it was applied.
    pub applied: bool,
}

/// Applies the pending migrations, or the first `steps` of them; answers their names. Waits for
/// another process that does so. With nothing to do it only reads.
pub async fn up(
    db: &DatabaseConnection,
    steps: Option<u32>,
) -> Result<Vec<String>, MigrationError> {
    if pending_read_only(db).await?.is_empty() && !is_cut_short(db).await? {
        return Ok(Vec::new());
    }
    match db.get_database_backend() {
        DbBackend::Sqlite => {
            let transaction = begin_immediate(db).await?;
            let names = up_at_once(&transaction, steps).await?;
            transaction.commit().await?;
            Ok(names)
        }
        _ => leased(db, async |lease| up_one_by_one(db, lease, steps).await).await,
    }
}

async fn up_at_once<'c, C>(db: &'c C, steps: Option<u32>) -> Result<Vec<String>, MigrationError>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    refuse_foreign_tables(db, &SchemaManager::new(db), None).await?;
    let before = applied(db).await?;
    Migrator::up(db, steps).await?;
    Ok(less(applied(db).await?, &before))
}

async fn up_one_by_one(
    db: &DatabaseConnection,
    lease: &Lease<'_>,
    steps: Option<u32>,
) -> Result<Vec<String>, MigrationError> {
    let cut_short = lease.unfinished().await?;
    if let Some(name) = &cut_short {
        // It may have been on its way down: then it is applied, and its tables are gone.
        forget(db, name).await?;
    }
    refuse_foreign_tables(db, &SchemaManager::new(db), cut_short.as_deref()).await?;
    let pending = pending_read_only(db).await?;
    let names = first(pending, steps);
    for name in &names {
        lease.note(Some(name)).await?;
        Migrator::up(db, Some(1)).await?;
    }
    lease.note(None).await?;
    Ok(names)
}

/// Reverts all migrations, or the last `steps` of them, with what is in their tables; answers
/// their names.
pub async fn down(
    db: &DatabaseConnection,
    steps: Option<u32>,
) -> Result<Vec<String>, MigrationError> {
    if applied(db).await?.is_empty() && !is_cut_short(db).await? {
        return Ok(Vec::new());
    }
    match db.get_database_backend() {
        DbBackend::Sqlite => {
            let transaction = begin_immediate(db).await?;
            let names = down_at_once(&transaction, steps).await?;
            transaction.commit().await?;
            Ok(names)
        }
        _ => leased(db, async |lease| down_one_by_one(db, lease, steps).await).await,
    }
}

async fn down_at_once<'c, C>(db: &'c C, steps: Option<u32>) -> Result<Vec<String>, MigrationError>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    let before = applied(db).await?;
    Migrator::down(db, steps).await?;
    Ok(less(before, &applied(db).await?))
}

async fn down_one_by_one(
    db: &DatabaseConnection,
    lease: &Lease<'_>,
    steps: Option<u32>,
) -> Result<Vec<String>, MigrationError> {
    let mut applied = applied(db).await?;
    if let Some(name) = lease.unfinished().await?
        && !applied.contains(&name)
        && let Some(migration) = Migrator::migrations().iter().find(|m| m.name() == name)
    {
        // It was on its way up: its tables may be there.
        migration.down(&SchemaManager::new(db)).await?;
    }
    applied.reverse();
    let names = first(applied, steps);
    for name in &names {
        lease.note(Some(name)).await?;
        Migrator::down(db, Some(1)).await?;
    }
    lease.note(None).await?;
    Ok(names)
}

/// Does what only one process at a time may do.
async fn leased(
    db: &DatabaseConnection,
    work: impl AsyncFnOnce(&Lease<'_>) -> Result<Vec<String>, MigrationError>,
) -> Result<Vec<String>, MigrationError> {
    let lease = Lease::acquire(db).await?;
    let result = tokio::select! {
        result = work(&lease) => result,
        lost = lease.keep() => Err(lost),
    };
    let released = lease.release().await;
    let names = result?;
    released?;
    Ok(names)
}

/// Whether a process that migrated this database is under way or was cut short. Only reads.
async fn is_cut_short(db: &DatabaseConnection) -> Result<bool, MigrationError> {
    let is_leased = db.get_database_backend() == DbBackend::MySql;
    if !is_leased || !SchemaManager::new(db).has_table(lease::TABLE).await? {
        return Ok(false);
    }
    let row = Query::select().expr(Expr::val(1)).from(lease::TABLE).limit(1).take();
    Ok(db.query_one(&row).await?.is_some())
}

/// Makes a migration count as one that was not applied.
async fn forget(db: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
    let table = Migrator::migration_table_name();
    if SchemaManager::new(db).has_table(table.to_string()).await? {
        let delete =
            Query::delete().from_table(table).and_where(Expr::col("version").eq(name)).take();
        db.execute(&delete).await?;
    }
    Ok(())
}

fn first(names: Vec<String>, steps: Option<u32>) -> Vec<String> {
    let steps = steps.map_or(usize::MAX, |steps| usize::try_from(steps).unwrap_or(usize::MAX));
    names.into_iter().take(steps).collect()
}

/// Every migration and whether it was applied. Only reads.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<Step>, MigrationError> {
    steps(db).await
}

async fn steps<C: ConnectionTrait>(db: &C) -> Result<Vec<Step>, MigrationError> {
    let steps = Migrator::get_migration_with_status_read_only(db).await?;
    let step = |step: sea_orm_migration::Migration| Step {
        name: step.name().to_owned(),
        applied: step.status() == MigrationStatus::Applied,
    };
    Ok(steps.into_iter().map(step).collect())
}

/// Every migration, none of them applied: the state of a database that does not exist.
pub fn none_applied() -> Vec<Step> {
    let migrations = Migrator::migrations();
    migrations.iter().map(|m| Step { name: m.name().to_owned(), applied: false }).collect()
}

/// The names of the migrations that were not applied. Only reads.
pub async fn pending_read_only(db: &DatabaseConnection) -> Result<Vec<String>, MigrationError> {
    Ok(status(db).await?.into_iter().filter(|s| !s.applied).map(|s| s.name).collect())
}

async fn applied<C: ConnectionTrait>(db: &C) -> Result<Vec<String>, MigrationError> {
    Ok(steps(db).await?.into_iter().filter(|s| s.applied).map(|s| s.name).collect())
}

fn less(names: Vec<String>, others: &[String]) -> Vec<String> {
    names.into_iter().filter(|name| !others.contains(name)).collect()
}

/// Of several processes that migrate a file at once, one does and the others wait for it.
async fn begin_immediate(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let mut waited = false;
    loop {
        let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..Default::default() };
        match db.begin_with_options(options).await {
            Err(error) if is_busy(&error) => {
                if !waited {
                    tracing::info!("another process writes to this database; waiting for it");
                    waited = true;
                }
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            begun => return begun,
        }
    }
}

fn is_busy(error: &DbErr) -> bool {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    // The low byte is the plain code.
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}
