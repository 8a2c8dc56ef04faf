//! The SQL statements of a migration.

use sea_orm::{DatabaseConnection, DbBackend, DbErr, MockDatabase, MockExecResult};
use sea_orm_migration::{MigrationTrait, SchemaManager};

/// The maximum number of statements in one migration.
const MAX_STATEMENTS: usize = 1_000;

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
pub(crate) fn recorder(backend: DbBackend) -> DatabaseConnection {
    let results = vec![MockExecResult::default(); MAX_STATEMENTS];
    MockDatabase::new(backend).append_exec_results(results).into_connection()
}

/// Returns the statements that a connection of [`recorder`] recorded.
pub(crate) fn recorded(db: DatabaseConnection) -> Vec<String> {
    let transactions = db.into_transaction_log();
    transactions
        .iter()
        .flat_map(sea_orm::Transaction::statements)
        .map(ToString::to_string)
        .collect()
}
