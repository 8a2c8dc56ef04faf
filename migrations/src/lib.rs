//! The migrations of the schema, the same for SQLite and for MySQL in the dialect that Vitess and
//! MariaDB share.
//!
//! On SQLite all pending migrations run in one transaction. MySQL commits each DDL statement, so
//! there each statement can be repeated, one process migrates at a time, and the next process
//! completes a migration that was interrupted.

mod check;
mod error;
mod history;
mod lease;
mod print;
mod run;
mod statements;
mod table;
mod wait;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub use error::MigrationError;
pub use print::{print, print_for_sqlite, print_pending};
pub use run::{Step, down, none_applied, pending_read_only, status, up};

#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        history::migrations()
    }
}
