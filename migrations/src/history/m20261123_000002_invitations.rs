//! Invitations. `open_email` is the address while the invitation is open, so that its unique index
//! allows one open invitation per address.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{
    big_integer, create_table, drop_table, flag, index, index_newest_first, integer, long_text,
    text, time, unique, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            uuid("id").primary_key().take(),
            uuid("user_id"),
            text("email", 254),
            text("open_email", 254).null().take(),
            text("name", 200).null().take(),
            text("role", 16),
            long_text("metadata"),
            long_text("return_to").null().take(),
            text("invited_by_type", 16),
            uuid("invited_by_id").null().take(),
            text("invited_by_name", 255).null().take(),
            uuid("batch_id").null().take(),
            text("status", 16),
            text("held_by", 16).null().take(),
            integer("delivery"),
            integer("attempts"),
            time("next_attempt_at").null().take(),
            text("last_error_code", 64).null().take(),
            long_text("last_error_message").null().take(),
            time("last_error_at").null().take(),
            time("in_doubt_since").null().take(),
            flag("as_login"),
            time("created_at"),
            time("resent_at").null().take(),
            time("sent_at").null().take(),
            time("visited_at").null().take(),
            time("accepted_at").null().take(),
            time("expires_at"),
            big_integer("version"),
        ];
        let indexes = vec![
            unique("invitations_open_email", &["open_email"]),
            index_newest_first("invitations_email", &["email"]),
            index("invitations_user", &["user_id", "id"]),
            index("invitations_status", &["status", "id"]),
            index_newest_first("invitations_status_email", &["status", "email"]),
            index("invitations_expiry", &["status", "expires_at"]),
        ];
        create_table(manager, "invitations", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "invitations").await
    }
}
