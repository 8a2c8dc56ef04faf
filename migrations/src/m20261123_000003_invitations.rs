//! Invitations. `open_email` is the address while the invitation is open, so that an address has
//! at most one that is.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{
    create, drop, flag, id, index, long_text, newest, number, small_number, text, time, unique,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            id("id").primary_key().take(),
            id("user_id"),
            text("email", 254),
            text("open_email", 254).null().take(),
            text("name", 200).null().take(),
            text("role", 16),
            long_text("metadata"),
            long_text("return_to").null().take(),
            text("invited_by_type", 16),
            id("invited_by_id").null().take(),
            text("invited_by_name", 255).null().take(),
            id("batch_id").null().take(),
            text("status", 16),
            text("held_by", 16).null().take(),
            small_number("delivery"),
            small_number("attempts"),
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
            number("version"),
        ];
        let indexes = vec![
            unique("invitations_open_email", &["open_email"]),
            newest("invitations_email", &["email"]),
            index("invitations_user", &["user_id", "id"]),
            index("invitations_status", &["status", "id"]),
            newest("invitations_status_email", &["status", "email"]),
            index("invitations_expiry", &["status", "expires_at"]),
        ];
        create(manager, "invitations", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, "invitations").await
    }
}
