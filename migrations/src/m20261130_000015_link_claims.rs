//! Claims of links that are being authenticated at Stytch.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{create, drop, hash, index, time};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![hash("token_hash").primary_key().take(), time("claimed_until")];
        let indexes = vec![index("link_claims_claimed_until", &["claimed_until"])];
        create(manager, "link_claims", columns, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, "link_claims").await
    }
}
