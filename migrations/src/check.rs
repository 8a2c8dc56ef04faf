//! Keeps hands off a database that is somebody else's.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use crate::{Migrator, print::statements};

/// Why the schema was left as it is. One line each.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Tables of our names that no migration of ours made.
    #[error(
        "the tables {} exist but are not ours, for no migration made them: use another database",
        .0.join(", ")
    )]
    NotOurs(Vec<String>),
    /// The database has seen migrations that this program does not know.
    #[error("the database was migrated by a newer version or another program: {0}")]
    Unknown(String),
    /// This process stood still for so long that its right to migrate ended.
    #[error("the migration stood still, and another process took it over: run it again")]
    Overtaken,
    /// The database refused or was lost.
    #[error("the migration failed: {0}")]
    Failed(DbErr),
}

impl From<DbErr> for MigrationError {
    fn from(error: DbErr) -> Self {
        match error {
            // SeaORM says only this way that applied migrations are missing from our history.
            DbErr::Custom(text) if text.contains("file is missing") => Self::Unknown(text),
            error => Self::Failed(error),
        }
    }
}

/// Refuses if a table that a pending migration would make is there already, unless that migration
/// was cut short.
pub(crate) async fn refuse_foreign_tables<C: ConnectionTrait>(
    db: &C,
    manager: &SchemaManager<'_>,
    cut_short: Option<&str>,
) -> Result<(), MigrationError> {
    let pending = Migrator::get_pending_migrations_read_only(db).await?;
    let is_pending = |name| cut_short != Some(name) && pending.iter().any(|p| p.name() == name);
    let mut foreign = Vec::new();
    for migration in Migrator::migrations().iter().filter(|m| is_pending(m.name())) {
        for statement in statements(db.get_database_backend(), migration.as_ref()).await? {
            if let Some(table) = created(&statement)
                && manager.has_table(table).await?
            {
                foreign.push(table.to_owned());
            }
        }
    }
    if foreign.is_empty() { Ok(()) } else { Err(MigrationError::NotOurs(foreign)) }
}

/// The table that a statement creates.
fn created(statement: &str) -> Option<&str> {
    let quoted =
        statement.strip_prefix("CREATE TABLE IF NOT EXISTS ")?.split_whitespace().next()?;
    Some(quoted.trim_matches(['`', '"']))
}
