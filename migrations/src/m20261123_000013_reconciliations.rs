//! Comparisons with Stytch that came to their end, in numbers.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{create, drop, id, long_text, number, text, time};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            id("id").primary_key().take(),
            time("started_at"),
            time("finished_at"),
            text("repair_action", 16),
            number("users"),
            number("identities"),
            // JSON, by kind.
            long_text("counts"),
        ];
        create(manager, "reconciliations", columns, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, "reconciliations").await
    }
}
