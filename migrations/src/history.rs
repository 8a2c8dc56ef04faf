//! The migrations, in their order.

mod m20261123;

use apalis_sea_orm::migration;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::table::Table;

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let create = |name, tables| Box::new(CreateTables { name, tables }) as Box<dyn MigrationTrait>;
    vec![
        create("m20261123_000001_users", m20261123::users),
        create("m20261123_000002_invitations", m20261123::invitations),
        create("m20261123_000003_events", m20261123::events),
        create("m20261123_000004_sessions", m20261123::sessions),
        create("m20261123_000005_api_keys", m20261123::api_keys),
        create("m20261123_000006_guards", m20261123::guards),
        create("m20261123_000007_idempotency_keys", m20261123::idempotency_keys),
        create("m20261123_000008_reconciliations", m20261123::reconciliations),
        Box::new(CreateQueue { name: "m20261123_000009_jobs" }),
    ]
}

/// A migration that creates tables.
struct CreateTables {
    name: &'static str,
    tables: fn() -> Vec<Table>,
}

impl MigrationName for CreateTables {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in (self.tables)() {
            table.create(manager).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in (self.tables)().into_iter().rev() {
            table.drop(manager).await?;
        }
        Ok(())
    }
}

/// The migration that creates the tables of the job queue, as its crate defines them.
struct CreateQueue {
    name: &'static str,
}

impl MigrationName for CreateQueue {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateQueue {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        migration::up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        migration::down(manager).await
    }
}
