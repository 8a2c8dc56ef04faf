//! Deletion of old rows in small batches.

use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder, QuerySelect,
    TryGetable, Value,
};

use crate::connect::Database;
use crate::error::{StoreResult, store_error};
use crate::tables::columns::MAX_IDS;

/// A batch of old rows to delete: at most `limit` rows that are older than `before`.
///
/// The keys are read by an index on the time and the rows deleted by key, so that no range is locked.
pub(crate) struct Batch<'a> {
    pub(crate) database: &'a Database,
    pub(crate) before: i64,
    pub(crate) limit: u64,
}

impl Batch<'_> {
    /// Returns the number of deleted rows.
    pub(crate) async fn delete<E, K>(&self, key: E::Column, time: E::Column) -> StoreResult<u64>
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
            .await
            .map_err(store_error)?;
        let mut deleted = 0;
        for keys in keys.chunks(MAX_IDS) {
            let delete = E::delete_many().filter(key.is_in(keys.iter().cloned()));
            let deletion = delete.exec(self.database.write()).await.map_err(store_error)?;
            deleted += deletion.rows_affected;
        }
        Ok(deleted)
    }
}
