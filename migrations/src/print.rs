//! What migrations would do, as text: for a deploy request, or for someone who wants to read it.

use sea_orm::{DatabaseConnection, DbBackend, DbErr, MockDatabase, MockExecResult};
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager};

use crate::{MigrationError, Migrator, pending_read_only};

/// More statements than a migration has.
const STATEMENTS: usize = 1_000;

/// The SQL of all migrations, a statement a line.
pub async fn print(backend: DbBackend) -> Result<String, MigrationError> {
    print_these(backend, |_| true).await
}

/// The SQL of all migrations for a file that does not exist yet.
pub async fn print_for_sqlite() -> Result<String, MigrationError> {
    print(DbBackend::Sqlite).await
}

/// The SQL of the migrations that the database does not have yet. Changes nothing.
pub async fn print_pending(db: &DatabaseConnection) -> Result<String, MigrationError> {
    let pending = pending_read_only(db).await?;
    print_these(db.get_database_backend(), |name| pending.iter().any(|p| p == name)).await
}

async fn print_these(
    backend: DbBackend,
    wanted: impl Fn(&str) -> bool,
) -> Result<String, MigrationError> {
    let mut lines = Vec::new();
    for migration in Migrator::migrations().iter().filter(|m| wanted(m.name())) {
        if lines.is_empty() {
            let db = deaf(backend);
            Migrator::install(&db).await?;
            lines.extend(heard(db));
        }
        lines.extend(statements(backend, migration.as_ref()).await?);
        lines.push(record(backend, migration.name()));
    }
    Ok(lines.into_iter().map(|line| line + ";\n").collect())
}

/// What a migration would have the database do.
pub(crate) async fn statements(
    backend: DbBackend,
    migration: &dyn MigrationTrait,
) -> Result<Vec<String>, DbErr> {
    let db = deaf(backend);
    migration.up(&SchemaManager::new(&db)).await?;
    Ok(heard(db))
}

/// A connection that only remembers what it was told.
fn deaf(backend: DbBackend) -> DatabaseConnection {
    let results = vec![MockExecResult::default(); STATEMENTS];
    MockDatabase::new(backend).append_exec_results(results).into_connection()
}

fn heard(db: DatabaseConnection) -> Vec<String> {
    let transactions = db.into_transaction_log();
    transactions
        .iter()
        .flat_map(sea_orm::Transaction::statements)
        .map(ToString::to_string)
        .collect()
}

/// Without this row the migration would count as pending for ever.
fn record(backend: DbBackend, name: &str) -> String {
    let now = match backend {
        DbBackend::Sqlite => "unixepoch()",
        _ => "UNIX_TIMESTAMP()",
    };
    format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', {now})")
}
