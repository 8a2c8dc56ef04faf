//! The SQL of migrations as text, for a PlanetScale deploy request or for review.

use sea_orm::{DatabaseConnection, DbBackend};
use sea_orm_migration::MigratorTrait;

use crate::Migrator;
use crate::error::MigrationError;
use crate::run::pending_read_only;
use crate::statements::{recorded, recorder, statements};

/// Returns the SQL of all migrations, one statement per line.
pub async fn print(backend: DbBackend) -> Result<String, MigrationError> {
    print_filtered(backend, |_| true).await
}

/// Returns the SQL of all migrations for a new SQLite file.
pub async fn print_for_sqlite() -> Result<String, MigrationError> {
    print(DbBackend::Sqlite).await
}

/// Returns the SQL of the pending migrations. Only reads.
pub async fn print_pending(db: &DatabaseConnection) -> Result<String, MigrationError> {
    let pending = pending_read_only(db).await?;
    print_filtered(db.get_database_backend(), |name| pending.iter().any(|p| p == name)).await
}

async fn print_filtered(
    backend: DbBackend,
    filter: impl Fn(&str) -> bool,
) -> Result<String, MigrationError> {
    let mut lines = Vec::new();
    for migration in Migrator::migrations().iter().filter(|m| filter(m.name())) {
        if lines.is_empty() {
            let db = recorder(backend);
            Migrator::install(&db).await?;
            lines.extend(recorded(db));
        }
        lines.extend(statements(backend, migration.as_ref()).await?);
        lines.push(mark_applied(backend, migration.name()));
    }
    Ok(lines.into_iter().map(|line| line + ";\n").collect())
}

/// Returns the statement that marks a migration as applied.
fn mark_applied(backend: DbBackend, name: &str) -> String {
    let now = match backend {
        DbBackend::Sqlite => "unixepoch()",
        _ => "UNIX_TIMESTAMP()",
    };
    format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', {now})")
}
