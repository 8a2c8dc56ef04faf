//! API keys.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{
    big_integer, create_table, drop_table, long_text, sha256, text, time, unique, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            uuid("id").primary_key().take(),
            text("name", 255),
            sha256("hash"),
            text("prefix", 32),
            long_text("scopes"),
            time("created_at"),
            time("last_used_at").null().take(),
            time("revoked_at").null().take(),
            big_integer("version"),
        ];
        let indexes = vec![unique("api_keys_hash", &["hash"])];
        create_table(manager, "api_keys", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "api_keys").await
    }
}
