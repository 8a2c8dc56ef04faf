//! Logins that last.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{create, drop, hash, id, index, text, time, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            id("id").primary_key().take(),
            id("user_id"),
            text("provider_session_id", 128),
            hash("token_hash"),
            time("started_at"),
            time("expires_at"),
            time("last_used_at"),
            text("user_agent", 400).null().take(),
            text("ip", 64).null().take(),
            time("ended_at").null().take(),
            text("end_reason", 32).null().take(),
        ];
        let indexes = vec![
            unique("sessions_token_hash", &["token_hash"]),
            unique("sessions_provider_session_id", &["provider_session_id"]),
            index("sessions_user", &["user_id", "id"]),
            index("sessions_expiry", &["expires_at"]),
        ];
        create(manager, "sessions", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, "sessions").await
    }
}
