//! The history of the schema, one for both engines: SQLite, and MySQL in the dialect that Vitess
//! and MariaDB share.
//!
//! On SQLite all that is pending is one transaction. MySQL cannot undo half a migration, so each
//! statement of a migration can be run again, one process migrates at a time, and the next goes on
//! where one was cut short.

mod check;
mod lease;
mod print;
mod run;
mod table;

mod m20261123_000001_users;
mod m20261123_000002_user_emails;
mod m20261123_000003_invitations;
mod m20261123_000004_events;
mod m20261123_000005_sessions;
mod m20261123_000006_login_requests;
mod m20261123_000007_used_links;
mod m20261123_000008_api_keys;
mod m20261123_000009_tombstones;
mod m20261123_000010_guards;
mod m20261123_000011_idempotency_keys;
mod m20261123_000012_jobs;
mod m20261123_000013_reconciliations;
mod m20261130_000014_removed_addresses;
mod m20261130_000015_link_claims;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub use check::MigrationError;
pub use print::{print, print_for_sqlite, print_pending};
pub use run::{Step, down, none_applied, pending_read_only, status, up};

/// Every migration, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_users::Migration),
            Box::new(m20261123_000002_user_emails::Migration),
            Box::new(m20261123_000003_invitations::Migration),
            Box::new(m20261123_000004_events::Migration),
            Box::new(m20261123_000005_sessions::Migration),
            Box::new(m20261123_000006_login_requests::Migration),
            Box::new(m20261123_000007_used_links::Migration),
            Box::new(m20261123_000008_api_keys::Migration),
            Box::new(m20261123_000009_tombstones::Migration),
            Box::new(m20261123_000010_guards::Migration),
            Box::new(m20261123_000011_idempotency_keys::Migration),
            Box::new(m20261123_000012_jobs::Migration),
            Box::new(m20261123_000013_reconciliations::Migration),
            Box::new(m20261130_000014_removed_addresses::Migration),
            Box::new(m20261130_000015_link_claims::Migration),
        ]
    }
}
