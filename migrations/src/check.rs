//! Checks that the tables of a database are not another program's.

use sea_orm::ConnectionTrait;
use sea_orm_migration::{MigratorTrait, SchemaManager};

use crate::Migrator;
use crate::error::MigrationError;
use crate::statements::statements;

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
