//! Applies and reverts migrations.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use crate::lease::{self, Lease, begin_immediate};
use crate::sql::statements;
use crate::status::{applied, pending_read_only};
use crate::{MigrationError, Migrator};

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

/// Returns an error if a table that a pending migration creates exists already, unless that
/// migration was interrupted.
async fn refuse_foreign_tables<C: ConnectionTrait>(
    db: &C,
    manager: &SchemaManager<'_>,
    interrupted: Option<&str>,
) -> Result<(), MigrationError> {
    let pending = Migrator::get_pending_migrations_read_only(db).await?;
    let is_pending = |name| interrupted != Some(name) && pending.iter().any(|p| p.name() == name);
    let mut foreign = Vec::new();
    for migration in Migrator::migrations().iter().filter(|m| is_pending(m.name())) {
        for statement in statements(db.get_database_backend(), migration.as_ref()).await? {
            if let Some(table) = created_table(&statement)
                && manager.has_table(table).await?
            {
                foreign.push(table.to_owned());
            }
        }
    }
    if foreign.is_empty() { Ok(()) } else { Err(MigrationError::ForeignTables(foreign)) }
}

/// Returns the table that a statement creates.
fn created_table(statement: &str) -> Option<&str> {
    let quoted =
        statement.strip_prefix("CREATE TABLE IF NOT EXISTS ")?.split_whitespace().next()?;
    Some(quoted.trim_matches(['`', '"']))
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

fn difference(names: Vec<String>, others: &[String]) -> Vec<String> {
    names.into_iter().filter(|name| !others.contains(name)).collect()
}
