//! What is known of a delivery beyond its last error: whether its mail may be out all the same, and
//! whether a login link is what can be sent.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{add, flag, take};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "invitations", vec![flag("in_doubt"), flag("as_login")]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        take(manager, "invitations", &["in_doubt", "as_login"]).await
    }
}
