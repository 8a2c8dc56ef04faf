//! Hashes of the addresses of people who are gone, so that configuration does not make them
//! administrators as if they had never been known.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager};

use crate::table::{create, drop, hash};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![hash("hash").primary_key().take()];
        create(manager, "removed_addresses", columns, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, "removed_addresses").await
    }
}
