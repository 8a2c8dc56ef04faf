//! Up, down, and how things stand.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{
    IntoSchemaManagerConnection, MigrationStatus, MigratorTrait, SchemaManager,
};

use crate::{Migrator, check::MigrationError, check::refuse_foreign_tables};

/// A migration and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// E.g. `m20261123_000001_users`.
    pub name: String,
    /// Whether it was applied.
    pub applied: bool,
}

/// Applies the pending migrations, or the first `steps` of them; answers their names.
pub async fn up(
    db: &DatabaseConnection,
    steps: Option<u32>,
) -> Result<Vec<String>, MigrationError> {
    match db.get_database_backend() {
        DbBackend::Sqlite => {
            let transaction = begin_immediate(db).await?;
            let names = up_on(&transaction, steps).await?;
            transaction.commit().await?;
            Ok(names)
        }
        _ => up_on(db, steps).await,
    }
}

async fn up_on<'c, C>(db: &'c C, steps: Option<u32>) -> Result<Vec<String>, MigrationError>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    refuse_foreign_tables(db, &SchemaManager::new(db)).await?;
    let before = applied(db).await?;
    Migrator::up(db, steps).await?;
    Ok(less(applied(db).await?, &before))
}

/// Reverts all migrations, or the last `steps` of them, with what is in their tables; answers
/// their names.
pub async fn down(
    db: &DatabaseConnection,
    steps: Option<u32>,
) -> Result<Vec<String>, MigrationError> {
    match db.get_database_backend() {
        DbBackend::Sqlite => {
            let transaction = begin_immediate(db).await?;
            let names = down_on(&transaction, steps).await?;
            transaction.commit().await?;
            Ok(names)
        }
        _ => down_on(db, steps).await,
    }
}

async fn down_on<'c, C>(db: &'c C, steps: Option<u32>) -> Result<Vec<String>, MigrationError>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    let before = applied(db).await?;
    Migrator::down(db, steps).await?;
    Ok(less(before, &applied(db).await?))
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

/// Of two programs that migrate a file at once, one waits and then finds nothing to do.
async fn begin_immediate(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
    db.begin_with_options(TransactionOptions { sqlite_transaction_mode, ..Default::default() })
        .await
}
