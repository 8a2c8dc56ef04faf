//! Idempotency keys and the responses to their requests.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{
    create_table, drop_table, index, integer, long_text, medium_text, sha256, text, time,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            sha256("key_hash").primary_key().take(),
            sha256("request_hash"),
            text("state", 16),
            time("lease_until"),
            integer("status").null().take(),
            long_text("headers").null().take(),
            medium_text("content").null().take(),
            time("created_at"),
        ];
        let indexes = vec![index("idempotency_keys_created", &["created_at"])];
        create_table(manager, "idempotency_keys", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "idempotency_keys").await
    }
}
