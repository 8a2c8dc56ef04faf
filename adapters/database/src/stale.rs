//! Deletes old rows in small pieces: their keys are read by an index of their time, then they are
//! deleted by key, so that no range is locked.

use guestlist_domain::{ExpiredRows, StoreError};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder, QuerySelect,
    TryGetable, Value,
};

use crate::connect::Database;
use crate::errors::store_error;
use crate::rows::LIST;
use crate::values::micros;
use crate::{idempotency, logins, sessions};

pub(crate) async fn delete(
    database: &Database,
    what: ExpiredRows,
    before: Timestamp,
    limit: u64,
) -> Result<u64, StoreError> {
    use idempotency::entity as idem;
    use logins::{claim, link, request};
    use sessions::entity as session;
    let old = Old { database, before: micros(before), limit };
    match what {
        ExpiredRows::Sessions => {
            old.delete::<session::Entity, uuid::Uuid>(
                session::Column::Id,
                session::Column::ExpiresAt,
            )
            .await
        }
        ExpiredRows::UsedLinks => {
            old.delete::<link::Entity, Vec<u8>>(link::Column::TokenHash, link::Column::At).await
        }
        ExpiredRows::LinkClaims => {
            old.delete::<claim::Entity, Vec<u8>>(
                claim::Column::TokenHash,
                claim::Column::ClaimedUntil,
            )
            .await
        }
        ExpiredRows::LoginRequests => {
            old.delete::<request::Entity, uuid::Uuid>(request::Column::Id, request::Column::At)
                .await
        }
        ExpiredRows::IdempotencyKeys => {
            old.delete::<idem::Entity, Vec<u8>>(idem::Column::KeyHash, idem::Column::CreatedAt)
                .await
        }
    }
    .map_err(store_error)
}

struct Old<'a> {
    database: &'a Database,
    before: i64,
    limit: u64,
}

impl Old<'_> {
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
        for keys in keys.chunks(LIST) {
            let these = key.is_in(keys.iter().cloned());
            let gone = E::delete_many().filter(these).exec(self.database.write()).await?;
            deleted += gone.rows_affected;
        }
        Ok(deleted)
    }
}
