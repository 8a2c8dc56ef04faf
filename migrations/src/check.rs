//! Checks that the tables of a database are not another program's.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use crate::{Migrator, print::statements};

/// The reason that the schema was not changed: one line.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Tables that a pending migration creates exist already.
    #[error(
        "the tables {} exist but are not ours: no migration created them; use another database",
        .0.join(", ")
    )]
    NotOurs(Vec<String>),
    /// The database has migrations that this program does not know.
    #[error("the database was migrated by a newer version or another program: {0}")]
    Unknown(String),
    /// The lease expired, and another process acquired it.
    #[error("the migration was suspended and another process took it over: run it again")]
    Overtaken,
    /// The database rejected a statement or could not be reached.
    #[error("the migration failed: {0}")]
    Failed(DbErr),
}

impl From<DbErr> for MigrationError {
    fn from(error: DbErr) -> Self {
        match error {
            // SeaORM has no variant for applied migrations that the program does not know.
            DbErr::Custom(text) if text.contains("file is missing") => Self::Unknown(text),
            error => Self::Failed(error),
        }
    }
}

/// Returns an error if a table that a pending migration creates exists already, unless that
/// migration was interrupted.
pub(crate) async fn refuse_foreign_tables<C: ConnectionTrait>(
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
    if foreign.is_empty() { Ok(()) } else { Err(MigrationError::NotOurs(foreign)) }
}

/// Returns the table that a statement creates.
fn created_table(statement: &str) -> Option<&str> {
    let quoted =
        statement.strip_prefix("CREATE TABLE IF NOT EXISTS ")?.split_whitespace().next()?;
    Some(quoted.trim_matches(['`', '"']))
}
