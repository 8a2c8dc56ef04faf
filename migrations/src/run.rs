//! Applies and reverts migrations, and reports their status.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};
use sea_orm_migration::{MigrationStatus, MigratorTrait, SchemaManager};

use crate::lease::{self, Lease, begin_immediate};
use crate::sql::refuse_foreign_tables;
use crate::{MigrationError, Migrator};

/// A migration and its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// For example `m20261123_000001_users`.
    pub name: String,
    /// Whether the migration was applied to the database.
    pub applied: bool,
}

/// Applies the pending migrations, or the first `steps` of them, and returns their names. Waits for
/// another process that migrates the database. Only reads if no migration is pending.
pub async fn up(
    db: &DatabaseConnection,
    steps: Option<u32>,
) -> Result<Vec<String>, MigrationError> {
    if pending_read_only(db).await?.is_empty() && !has_interrupted_migration(db).await? {
        return Ok(Vec::new());
    }
    match db.get_database_backend() {
        DbBackend::Sqlite => {
            let transaction = begin_immediate(db).await?;
            refuse_foreign_tables(&transaction, &SchemaManager::new(&transaction), None).await?;
            let before = applied(&transaction).await?;
            Migrator::up(&transaction, steps).await?;
            let after = applied(&transaction).await?;
            transaction.commit().await?;
            Ok(difference(after, &before))
        }
        _ => with_lease(db, async |lease| up_with_lease(db, lease, steps).await).await,
    }
}

async fn up_with_lease(
    db: &DatabaseConnection,
    lease: &Lease<'_>,
    steps: Option<u32>,
) -> Result<Vec<String>, MigrationError> {
    let interrupted = lease.interrupted_migration().await?;
    if let Some(name) = &interrupted {
        // If it was being reverted, it counts as applied although tables may be missing.
        mark_pending(db, name).await?;
    }
    refuse_foreign_tables(db, &SchemaManager::new(db), interrupted.as_deref()).await?;
    let pending = pending_read_only(db).await?;
    let names = first(pending, steps);
    for name in &names {
        lease.set_migration(Some(name)).await?;
        Migrator::up(db, Some(1)).await?;
    }
    lease.set_migration(None).await?;
    Ok(names)
}

/// Reverts all migrations, or the last `steps` of them, and returns their names. Deletes their tables
/// with all rows.
pub async fn down(
    db: &DatabaseConnection,
    steps: Option<u32>,
) -> Result<Vec<String>, MigrationError> {
    if applied(db).await?.is_empty() && !has_interrupted_migration(db).await? {
        return Ok(Vec::new());
    }
    match db.get_database_backend() {
        DbBackend::Sqlite => {
            let transaction = begin_immediate(db).await?;
            let before = applied(&transaction).await?;
            Migrator::down(&transaction, steps).await?;
            let after = applied(&transaction).await?;
            transaction.commit().await?;
            Ok(difference(before, &after))
        }
        _ => with_lease(db, async |lease| down_with_lease(db, lease, steps).await).await,
    }
}

async fn down_with_lease(
    db: &DatabaseConnection,
    lease: &Lease<'_>,
    steps: Option<u32>,
) -> Result<Vec<String>, MigrationError> {
    let mut applied = applied(db).await?;
    if let Some(name) = lease.interrupted_migration().await?
        && !applied.contains(&name)
        && let Some(migration) = Migrator::migrations().iter().find(|m| m.name() == name)
    {
        // If it was being applied, it counts as pending although tables may exist.
        migration.down(&SchemaManager::new(db)).await?;
    }
    applied.reverse();
    let names = first(applied, steps);
    for name in &names {
        lease.set_migration(Some(name)).await?;
        Migrator::down(db, Some(1)).await?;
    }
    lease.set_migration(None).await?;
    Ok(names)
}

/// Runs work that only one process at a time may do.
async fn with_lease(
    db: &DatabaseConnection,
    work: impl AsyncFnOnce(&Lease<'_>) -> Result<Vec<String>, MigrationError>,
) -> Result<Vec<String>, MigrationError> {
    let lease = Lease::acquire(db).await?;
    let result = tokio::select! {
        result = work(&lease) => result,
        lost = lease.renew_until_lost() => Err(lost),
    };
    let released = lease.release().await;
    let names = result?;
    released?;
    Ok(names)
}

/// Returns whether another process migrates the database or was interrupted. Only reads.
async fn has_interrupted_migration(db: &DatabaseConnection) -> Result<bool, MigrationError> {
    let is_leased = db.get_database_backend() == DbBackend::MySql;
    if !is_leased || !SchemaManager::new(db).has_table(lease::TABLE).await? {
        return Ok(false);
    }
    let row = Query::select().expr(Expr::val(1)).from(lease::TABLE).limit(1).take();
    Ok(db.query_one(&row).await?.is_some())
}

/// Removes a migration from the history of applied ones.
async fn mark_pending(db: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
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

/// Returns all migrations and their status. Only reads.
pub async fn status<C: ConnectionTrait>(db: &C) -> Result<Vec<Step>, MigrationError> {
    let steps = Migrator::get_migration_with_status_read_only(db).await?;
    let step = |step: sea_orm_migration::Migration| Step {
        name: step.name().to_owned(),
        applied: step.status() == MigrationStatus::Applied,
    };
    Ok(steps.into_iter().map(step).collect())
}

/// Returns all migrations as pending: the status of a database that does not exist yet.
pub fn none_applied() -> Vec<Step> {
    let migrations = Migrator::migrations();
    migrations.iter().map(|m| Step { name: m.name().to_owned(), applied: false }).collect()
}

/// Returns the names of the pending migrations. Only reads.
pub async fn pending_read_only(db: &DatabaseConnection) -> Result<Vec<String>, MigrationError> {
    Ok(status(db).await?.into_iter().filter(|s| !s.applied).map(|s| s.name).collect())
}

async fn applied<C: ConnectionTrait>(db: &C) -> Result<Vec<String>, MigrationError> {
    Ok(status(db).await?.into_iter().filter(|s| s.applied).map(|s| s.name).collect())
}

fn difference(names: Vec<String>, others: &[String]) -> Vec<String> {
    names.into_iter().filter(|name| !others.contains(name)).collect()
}
