//! Reads of a reconciliation with Stytch: many rows by their keys.

use async_trait::async_trait;
use guestlist_domain::{
    Email, ReadReconciliation, Reconciliation, StoreError, Tombstone, User, UserId,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value};

use crate::error::StoreResult;
use crate::store::SqlStore;
use crate::tables::columns::MAX_IDS;
use crate::tables::{reconciliations, tombstones, users};

impl SqlStore {
    /// Returns the rows whose column has one of the values.
    async fn all_with<E, T>(
        &self,
        column: E::Column,
        values: impl Iterator<Item = Value>,
    ) -> StoreResult<Vec<T>>
    where
        E: EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let values: Vec<Value> = values.collect();
        let mut found = Vec::new();
        for values in values.chunks(MAX_IDS) {
            found.extend(self.all(E::find().filter(column.is_in(values.to_vec()))).await?);
        }
        Ok(found)
    }
}

#[async_trait]
impl ReadReconciliation for SqlStore {
    async fn users_from(&self, after: Option<UserId>, limit: u64) -> StoreResult<Vec<User>> {
        use users::{Column, Entity};
        let query = match after {
            Some(after) => Entity::find().filter(Column::Id.gt(after.0)),
            None => Entity::find(),
        };
        self.all(query.order_by_asc(Column::Id).limit(limit)).await
    }

    async fn users_by_provider_ids(&self, ids: &[String]) -> StoreResult<Vec<User>> {
        let ids = ids.iter().map(|id| id.as_str().into());
        self.all_with::<users::Entity, _>(users::Column::ProviderUserId, ids).await
    }

    async fn users_by_emails(&self, emails: &[Email]) -> StoreResult<Vec<User>> {
        let emails = emails.iter().map(|email| email.as_str().into());
        self.all_with::<users::Entity, _>(users::Column::Email, emails).await
    }

    async fn tombstones(&self, ids: &[String]) -> StoreResult<Vec<Tombstone>> {
        let ids = ids.iter().map(|id| id.as_str().into());
        self.all_with::<tombstones::Entity, _>(tombstones::Column::ProviderUserId, ids).await
    }

    async fn last_reconciliation(&self) -> StoreResult<Option<Reconciliation>> {
        let newest_first =
            reconciliations::Entity::find().order_by_desc(reconciliations::Column::Id);
        self.one(newest_first).await
    }
}
