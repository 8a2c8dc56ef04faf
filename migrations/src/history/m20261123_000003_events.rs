//! Events: the timelines of invitations and the audit log.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{create_table, drop_table, index, long_text, text, time, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            uuid("id").primary_key().take(),
            text("kind", 32),
            time("at"),
            text("actor_type", 16),
            uuid("actor_id").null().take(),
            text("actor_name", 255).null().take(),
            text("from_ip", 45).null().take(),
            uuid("user_id").null().take(),
            uuid("invitation_id").null().take(),
            long_text("detail"),
        ];
        let indexes = vec![
            index("events_invitation", &["invitation_id", "id"]),
            index("events_user", &["user_id", "id"]),
            index("events_actor_type", &["actor_type", "id"]),
            index("events_actor", &["actor_id", "id"]),
            index("events_kind", &["kind", "id"]),
        ];
        create_table(manager, "events", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "events").await
    }
}
