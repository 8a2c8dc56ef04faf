//! The migrations, in their order.

mod m20261123_000001_users;
mod m20261123_000002_invitations;
mod m20261123_000003_events;
mod m20261123_000004_sessions;
mod m20261123_000005_api_keys;
mod m20261123_000006_guards;
mod m20261123_000007_idempotency_keys;
mod m20261123_000008_reconciliations;
mod m20261123_000009_jobs;

use sea_orm_migration::MigrationTrait;

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261123_000001_users::Migration),
        Box::new(m20261123_000002_invitations::Migration),
        Box::new(m20261123_000003_events::Migration),
        Box::new(m20261123_000004_sessions::Migration),
        Box::new(m20261123_000005_api_keys::Migration),
        Box::new(m20261123_000006_guards::Migration),
        Box::new(m20261123_000007_idempotency_keys::Migration),
        Box::new(m20261123_000008_reconciliations::Migration),
        Box::new(m20261123_000009_jobs::Migration),
    ]
}
