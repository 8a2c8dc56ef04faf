//! What migrations would do, as text: for a deploy request, or for someone who wants to read it.

use sea_orm::{DatabaseConnection, DbBackend, MockDatabase, MockExecResult};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use crate::{MigrationError, Migrator, pending_read_only};

/// More statements than all migrations have.
const STATEMENTS: usize = 10_000;

/// The SQL of all migrations, a statement a line.
pub async fn print(backend: DbBackend) -> Result<String, MigrationError> {
    print_these(backend, |_| true).await
}

/// The SQL of the migrations that the database does not have yet. Changes nothing.
pub async fn print_pending(db: &DatabaseConnection) -> Result<String, MigrationError> {
    let pending = pending_read_only(db).await?;
    print_these(db.get_database_backend(), |name| pending.iter().any(|p| p == name)).await
}

/// Runs the migrations on a connection that only remembers what it was told.
async fn print_these(
    backend: DbBackend,
    wanted: impl Fn(&str) -> bool,
) -> Result<String, MigrationError> {
    let results = vec![MockExecResult::default(); STATEMENTS];
    let db = MockDatabase::new(backend).append_exec_results(results).into_connection();
    let mut lines = Vec::new();
    for migration in Migrator::migrations().iter().filter(|m| wanted(m.name())) {
        if lines.is_empty() {
            Migrator::install(&db).await?;
        }
        migration.up(&SchemaManager::new(&db)).await?;
        for transaction in db.clone().into_transaction_log() {
            lines.extend(transaction.statements().iter().map(|s| format!("{s};\n")));
        }
        lines.push(record(backend, migration.name()));
    }
    Ok(lines.concat())
}

/// Without this row the migration would count as pending for ever.
fn record(backend: DbBackend, name: &str) -> String {
    let now = match backend {
        DbBackend::Sqlite => "unixepoch()",
        _ => "UNIX_TIMESTAMP()",
    };
    format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', {now});\n")
}
