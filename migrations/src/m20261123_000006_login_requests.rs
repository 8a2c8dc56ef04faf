//! Requests for login links, numbered by address.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{create, drop, id, index, long_text, number, text, time, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            id("id").primary_key().take(),
            text("email", 254),
            number("ordinal"),
            long_text("return_to").null().take(),
            time("at"),
            time("send_at"),
        ];
        let indexes = vec![
            unique("login_requests_ordinal", &["email", "ordinal"]),
            index("login_requests_at", &["at"]),
        ];
        create(manager, "login_requests", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, "login_requests").await
    }
}
