//! Reads of API keys.

use async_trait::async_trait;
use guestlist_domain::{ApiKey, ApiKeyId, ReadKeys, TokenHash};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::error::StoreResult;
use crate::store::SqlStore;
use crate::tables::api_keys::{Column, Entity};

#[async_trait]
impl ReadKeys for SqlStore {
    async fn api_key_by_hash(&self, hash: TokenHash) -> StoreResult<Option<ApiKey>> {
        self.one(Entity::find().filter(Column::Hash.eq(hash.0.to_vec()))).await
    }

    async fn api_key(&self, id: ApiKeyId) -> StoreResult<Option<ApiKey>> {
        self.one(Entity::find_by_id(id.0)).await
    }

    async fn api_keys(&self) -> StoreResult<Vec<ApiKey>> {
        self.all(Entity::find().order_by_desc(Column::Id)).await
    }
}
