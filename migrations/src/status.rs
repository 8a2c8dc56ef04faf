//! The status of migrations.

use sea_orm::{ConnectionTrait, DatabaseConnection};
use sea_orm_migration::{MigrationStatus, MigratorTrait};

use crate::{MigrationError, Migrator};

/// A migration and its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// For example `m20261123_000001_users`.
    pub name: String,
    /// Whether the migration was applied to the database.
    pub applied: bool,
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

/// Returns the names of the applied migrations. Only reads.
pub(crate) async fn applied<C: ConnectionTrait>(db: &C) -> Result<Vec<String>, MigrationError> {
    Ok(status(db).await?.into_iter().filter(|s| s.applied).map(|s| s.name).collect())
}
