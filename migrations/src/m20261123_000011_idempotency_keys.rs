//! Answers kept for `Idempotency-Key`.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{
    create, drop, hash, index, long_text, small_number, text, time, very_long_text,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            hash("key_hash").primary_key().take(),
            hash("request_hash"),
            text("state", 16),
            time("lease_until"),
            small_number("status").null().take(),
            long_text("headers").null().take(),
            very_long_text("content").null().take(),
            time("created_at"),
        ];
        let indexes = vec![index("idempotency_keys_created", &["created_at"])];
        create(manager, "idempotency_keys", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, "idempotency_keys").await
    }
}
