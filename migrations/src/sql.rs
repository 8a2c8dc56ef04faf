//! The SQL of migrations as text, for a PlanetScale deploy request or for review.

use sea_orm::{DatabaseConnection, DbBackend, DbErr, MockDatabase, MockExecResult};
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager};

use crate::status::pending_read_only;
use crate::{MigrationError, Migrator};

/// The maximum number of statements in one migration.
const MAX_STATEMENTS: usize = 1_000;

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

/// Returns the statements of a migration.
pub(crate) async fn statements(
    backend: DbBackend,
    migration: &dyn MigrationTrait,
) -> Result<Vec<String>, DbErr> {
    let db = recorder(backend);
    migration.up(&SchemaManager::new(&db)).await?;
    Ok(recorded(db))
}

/// Returns a connection that records statements instead of executing them.
fn recorder(backend: DbBackend) -> DatabaseConnection {
    let results = vec![MockExecResult::default(); MAX_STATEMENTS];
    MockDatabase::new(backend).append_exec_results(results).into_connection()
}

/// Returns the statements that a connection of [`recorder`] recorded.
fn recorded(db: DatabaseConnection) -> Vec<String> {
    let transactions = db.into_transaction_log();
    let statements = transactions.iter().flat_map(sea_orm::Transaction::statements);
    statements.map(ToString::to_string).collect()
}
