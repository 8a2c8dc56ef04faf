//! Sessions, and the login requests and links that lead to them.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{
    big_integer, create_table, drop_table, index, long_text, sha256, text, time, unique, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_sessions(manager).await?;
        create_login_requests(manager).await?;
        create_used_links(manager).await?;
        create_link_claims(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "link_claims").await?;
        drop_table(manager, "used_links").await?;
        drop_table(manager, "login_requests").await?;
        drop_table(manager, "sessions").await
    }
}

async fn create_sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("id").primary_key().take(),
        uuid("user_id"),
        text("provider_session_id", 128),
        sha256("token_hash"),
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
    create_table(manager, "sessions", columns, indexes).await
}

async fn create_login_requests(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("id").primary_key().take(),
        text("email", 254),
        big_integer("ordinal"),
        long_text("return_to").null().take(),
        time("at"),
        time("send_at"),
    ];
    let indexes = vec![
        unique("login_requests_ordinal", &["email", "ordinal"]),
        index("login_requests_at", &["at"]),
    ];
    create_table(manager, "login_requests", columns, indexes).await
}

async fn create_used_links(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns =
        vec![sha256("token_hash").primary_key().take(), uuid("user_id").null().take(), time("at")];
    let indexes = vec![index("used_links_at", &["at"])];
    create_table(manager, "used_links", columns, indexes).await
}

async fn create_link_claims(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![sha256("token_hash").primary_key().take(), time("claimed_until")];
    let indexes = vec![index("link_claims_claimed_until", &["claimed_until"])];
    create_table(manager, "link_claims", columns, indexes).await
}
