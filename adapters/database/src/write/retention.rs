//! Deletion of old rows in small batches. The keys are read by an index on the time and the rows
//! deleted by key, so that no range is locked.

use guestlist_domain::ExpiredRows;
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder, QuerySelect,
    TryGetable, Value,
};
use uuid::Uuid;

use crate::connect::Database;
use crate::error::{StoreResult, store_error};
use crate::tables::columns::{MAX_IDS, micros};
use crate::tables::{idempotency_keys, link_claims, login_requests, sessions, used_links};

/// Deletes at most `limit` rows that are older than `before`. Returns their number.
pub(crate) async fn delete(
    database: &Database,
    what: ExpiredRows,
    before: Timestamp,
    limit: u64,
) -> StoreResult<u64> {
    let batch = Batch { database, before: micros(before), limit };
    match what {
        ExpiredRows::Sessions => {
            use sessions::{Column, Entity};
            batch.delete::<Entity, Uuid>(Column::Id, Column::ExpiresAt).await
        }
        ExpiredRows::UsedLinks => {
            use used_links::{Column, Entity};
            batch.delete::<Entity, Vec<u8>>(Column::TokenHash, Column::At).await
        }
        ExpiredRows::LinkClaims => {
            use link_claims::{Column, Entity};
            batch.delete::<Entity, Vec<u8>>(Column::TokenHash, Column::ClaimedUntil).await
        }
        ExpiredRows::LoginRequests => {
            use login_requests::{Column, Entity};
            batch.delete::<Entity, Uuid>(Column::Id, Column::At).await
        }
        ExpiredRows::IdempotencyKeys => {
            use idempotency_keys::{Column, Entity};
            batch.delete::<Entity, Vec<u8>>(Column::KeyHash, Column::CreatedAt).await
        }
    }
    .map_err(store_error)
}

struct Batch<'a> {
    database: &'a Database,
    before: i64,
    limit: u64,
}

impl Batch<'_> {
    async fn delete<E, K>(&self, key: E::Column, time: E::Column) -> Result<u64, DbErr>
    where
        E: EntityTrait,
        E::Model: FromQueryResult + Send + Sync,
        K: TryGetable + Into<Value> + Clone + Send,
    {
        let keys: Vec<K> = E::find()
            .select_only()
            .column(key)
            .filter(time.lt(self.before))
            .order_by(time, Order::Asc)
            .limit(self.limit)
            .into_tuple()
            .all(self.database.read())
            .await?;
        let mut deleted = 0;
        for keys in keys.chunks(MAX_IDS) {
            let delete = E::delete_many().filter(key.is_in(keys.iter().cloned()));
            deleted += delete.exec(self.database.write()).await?.rows_affected;
        }
        Ok(deleted)
    }
}
