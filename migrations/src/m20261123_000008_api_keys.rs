//! API keys.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{create, drop, hash, id, long_text, number, text, time, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            id("id").primary_key().take(),
            text("name", 255),
            hash("hash"),
            text("prefix", 32),
            long_text("scopes"),
            time("created_at"),
            time("last_used_at").null().take(),
            time("revoked_at").null().take(),
            number("version"),
        ];
        let indexes = vec![unique("api_keys_hash", &["hash"])];
        create(manager, "api_keys", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, "api_keys").await
    }
}
