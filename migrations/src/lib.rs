//! The migrations of the schema, the same for SQLite and for MySQL in the dialect that Vitess and
//! MariaDB share.
//!
//! On SQLite all pending migrations run in one transaction. MySQL commits each DDL statement, so
//! there each statement can be repeated, one process migrates at a time, and the next process
//! completes a migration that was interrupted.

mod history;
mod lease;
mod run;
mod sql;
mod status;
mod table;

use sea_orm::DbErr;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub use run::{down, up};
pub use sql::{print, print_for_sqlite, print_pending};
pub use status::{Step, none_applied, pending_read_only, status};

#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        history::migrations()
    }
}

/// The reason that the schema was not changed: one line.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Tables that a pending migration creates exist already.
    #[error(
        "the tables {} exist, but no migration of Guestlist created them; use another database",
        .0.join(", ")
    )]
    ForeignTables(Vec<String>),
    /// The database has migrations that this program does not know.
    #[error(
        "the database was created by another version: this one does not know the migrations {}; \
         use that version, or delete and recreate the database if its version was never released",
        .0.join(", ")
    )]
    Unknown(Vec<String>),
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
            DbErr::Custom(text) if text.contains("file is missing") => {
                // "Migration file of version 'NAME' is missing, …" for each of them.
                Self::Unknown(text.split('\'').skip(1).step_by(2).map(ToOwned::to_owned).collect())
            }
            error => Self::Failed(error),
        }
    }
}
