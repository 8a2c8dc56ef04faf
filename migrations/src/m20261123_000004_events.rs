//! What happened: the timelines, and who did what to whom.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{create, drop, id, index, long_text, text, time};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            id("id").primary_key().take(),
            text("kind", 32),
            time("at"),
            text("actor_type", 16),
            id("actor_id").null().take(),
            text("actor_name", 255).null().take(),
            text("from_ip", 45).null().take(),
            id("user_id").null().take(),
            id("invitation_id").null().take(),
            long_text("detail"),
        ];
        let indexes = vec![
            index("events_invitation", &["invitation_id", "id"]),
            index("events_user", &["user_id", "id"]),
            index("events_actor_type", &["actor_type", "id"]),
            index("events_actor", &["actor_id", "id"]),
            index("events_kind", &["kind", "id"]),
        ];
        create(manager, "events", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, "events").await
    }
}
