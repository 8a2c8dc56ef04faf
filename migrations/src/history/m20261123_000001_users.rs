//! Users. The primary key of `user_emails` makes addresses unique, also where `users` is sharded by
//! id. `tombstones` and `removed_addresses` record deleted users.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{
    big_integer, create_table, drop_table, index, index_newest_first, integer, long_text, sha256,
    text, time, unique, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_users(manager).await?;
        create_user_emails(manager).await?;
        create_tombstones(manager).await?;
        create_removed_addresses(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "removed_addresses").await?;
        drop_table(manager, "tombstones").await?;
        drop_table(manager, "user_emails").await?;
        drop_table(manager, "users").await
    }
}

async fn create_users(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("id").primary_key().take(),
        text("email", 254),
        text("name", 200).null().take(),
        // In lower case, which can be longer.
        text("name_key", 400).null().take(),
        // The length of the common prefix of address and name. By this column a search by name
        // skips the users that it has found by address.
        integer("common_prefix_len").default(0).take(),
        text("role", 16),
        text("status", 16),
        long_text("metadata"),
        text("provider_user_id", 128).null().take(),
        time("created_at"),
        time("last_seen_at").null().take(),
        big_integer("version"),
    ];
    let indexes = vec![
        index("users_email", &["email"]),
        index_newest_first("users_name_key", &["common_prefix_len", "name_key"]),
        index("users_role", &["role", "id"]),
        index("users_role_status", &["role", "status", "id"]),
        index("users_role_status_email", &["role", "status", "email"]),
        index_newest_first(
            "users_role_status_name_key",
            &["role", "status", "common_prefix_len", "name_key"],
        ),
        index("users_status", &["status", "id"]),
        unique("users_provider_user_id", &["provider_user_id"]),
    ];
    create_table(manager, "users", columns, indexes).await
}

async fn create_user_emails(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![text("email", 254).primary_key().take(), uuid("user_id")];
    let indexes = vec![];
    create_table(manager, "user_emails", columns, indexes).await
}

async fn create_tombstones(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns =
        vec![text("provider_user_id", 128).primary_key().take(), uuid("user_id"), time("at")];
    let indexes = vec![];
    create_table(manager, "tombstones", columns, indexes).await
}

async fn create_removed_addresses(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![sha256("hash").primary_key().take()];
    create_table(manager, "removed_addresses", columns, vec![]).await
}
