//! People. Their addresses are kept unique by `user_emails`, which can be sharded by address while
//! this is sharded by id.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{
    create, drop, id, index, long_text, newest, number, small_number, text, time, unique,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            id("id").primary_key().take(),
            text("email", 254),
            text("name", 200).null().take(),
            // In lower case, which can be longer; for search.
            text("name_key", 400).null().take(),
            // With how many characters address and name begin alike: by it a search for fewer finds
            // those by name whom it has found by address.
            small_number("alike").default(0).take(),
            text("role", 16),
            text("status", 16),
            long_text("metadata"),
            text("provider_user_id", 128).null().take(),
            time("created_at"),
            time("last_seen_at").null().take(),
            number("version"),
        ];
        let indexes = vec![
            index("users_email", &["email"]),
            newest("users_name_key", &["alike", "name_key"]),
            index("users_role", &["role", "id"]),
            index("users_role_status", &["role", "status", "id"]),
            index("users_role_status_email", &["role", "status", "email"]),
            newest("users_role_status_name_key", &["role", "status", "alike", "name_key"]),
            index("users_status", &["status", "id"]),
            unique("users_provider_user_id", &["provider_user_id"]),
        ];
        create(manager, "users", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, "users").await
    }
}
