//! Writes that are not part of a change: claims on links, last-use times, and the deletion of old rows
//! in small batches.

use std::collections::BTreeSet;

use guestlist_domain::{CLOCK_TOLERANCE, LinkClaim, TokenHash};
use jiff::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DbErr, EntityTrait, FromQueryResult, Order,
    QueryFilter, QueryOrder, QuerySelect, TryGetable, Value,
};
use uuid::Uuid;

use crate::connect::{Connection, Database};
use crate::error::{ErrorClass, StoreResult, classify, store_error};
use crate::tables::columns::{MAX_IDS, micros};
use crate::tables::link_claims;

/// Attempts to claim a link. `repeated` says that an earlier attempt had an unknown result.
pub(crate) async fn try_claim_link(
    database: &Database,
    token: TokenHash,
    (now, until): (Timestamp, Timestamp),
    repeated: bool,
) -> Result<LinkClaim, DbErr> {
    use link_claims::{ActiveModel, Column, Entity};
    let hash = token.0.to_vec();
    let row = ActiveModel { token_hash: Set(hash.clone()), claimed_until: Set(micros(until)) };
    match Entity::insert(row).exec_without_returning(database.write()).await {
        Ok(_) => return Ok(LinkClaim::Granted),
        Err(error) if classify(&error) == ErrorClass::UniqueViolation => {}
        Err(error) => return Err(error),
    }
    // An earlier attempt, whose result is unknown, may have inserted the row.
    let is_own = Entity::find_by_id(hash.clone()).filter(Column::ClaimedUntil.eq(micros(until)));
    if repeated && is_own.one(database.write()).await?.is_some() {
        return Ok(LinkClaim::Granted);
    }
    // All claims last equally long. A claim that ends much later was made by a process whose clock
    // was ahead, and is not honoured.
    let latest = until + (until - now);
    let has_ended = Condition::any()
        .add(Column::ClaimedUntil.lte(micros(now)))
        .add(Column::ClaimedUntil.gt(micros(latest)));
    let update = Entity::update_many()
        .col_expr(Column::ClaimedUntil, Expr::value(micros(until)))
        .filter(Column::TokenHash.eq(hash))
        .filter(has_ended)
        .exec(database.write())
        .await?;
    Ok(if update.rows_affected == 1 { LinkClaim::TakenOver } else { LinkClaim::Held })
}

/// Moves the last-use times of the given rows forward. That does not change a row's version, so that
/// recording a use conflicts with no change.
///
/// Sets the column in statements of their own, so that none waits for a lock while
/// it holds others.
pub(crate) async fn advance<E: EntityTrait>(
    db: &Connection,
    id: E::Column,
    column: E::Column,
    ids: BTreeSet<Uuid>,
    at: Timestamp,
) -> StoreResult<()> {
    let (at, latest) = (micros(at), micros(at + CLOCK_TOLERANCE));
    let ids: Vec<Uuid> = ids.into_iter().collect();
    for ids in ids.chunks(MAX_IDS) {
        let earlier = Condition::any()
            .add(column.is_null())
            .add(column.lt(at))
            // Recorded by a process whose clock was ahead.
            .add(column.gt(latest));
        E::update_many()
            .col_expr(column, Expr::value(at))
            .filter(id.is_in(ids.iter().copied()))
            .filter(earlier)
            .exec(db)
            .await
            .map_err(store_error)?;
    }
    Ok(())
}

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
