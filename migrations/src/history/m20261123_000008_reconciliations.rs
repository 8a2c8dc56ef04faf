//! The results of reconciliations with Stytch.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{big_integer, create_table, drop_table, long_text, text, time, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            uuid("id").primary_key().take(),
            time("started_at"),
            time("finished_at"),
            text("repair_action", 16),
            big_integer("users"),
            big_integer("identities"),
            // A JSON object, by kind.
            long_text("counts"),
        ];
        create_table(manager, "reconciliations", columns, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "reconciliations").await
    }
}
