//! Writes that are not part of a change: claims on links, last-use times, and the deletion of old rows
//! in small batches.

use std::collections::BTreeSet;

use guestlist_domain::{CLOCK_TOLERANCE, ExpiredRows, LinkClaim, TokenHash, Usage};
use jiff::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DbErr, EntityTrait, FromQueryResult, Order,
    QueryFilter, QueryOrder, QuerySelect, TryGetable, Value,
};
use uuid::Uuid;

use crate::connect::{Connection, Database};
use crate::error::{ErrorClass, StoreResult, classify, store_error};
use crate::retry::Retry;
use crate::tables::columns::{MAX_IDS, micros};
use crate::tables::{
    api_keys, idempotency_keys, link_claims, login_requests, sessions, used_links, users,
};

/// Claims a link until a time. Of several concurrent claims one is granted.
pub(crate) async fn claim_link(
    database: &Database,
    token: TokenHash,
    now: Timestamp,
    until: Timestamp,
) -> StoreResult<LinkClaim> {
    let mut retry = Retry::new();
    let mut repeated = false;
    loop {
        let error = match try_claim_link(database, token, (now, until), repeated).await {
            Ok(claim) => return Ok(claim),
            Err(error) => error,
        };
        if !retry.wait(classify(&error)).await {
            return Err(store_error(error));
        }
        repeated = true;
    }
}

async fn try_claim_link(
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

/// Releases the claim that ends at `until`, unless another request has taken it over.
pub(crate) async fn release_link(
    database: &Database,
    token: TokenHash,
    until: Timestamp,
) -> StoreResult<()> {
    use link_claims::{Column, Entity};
    let claim = Entity::delete_many()
        .filter(Column::TokenHash.eq(token.0.to_vec()))
        .filter(Column::ClaimedUntil.eq(micros(until)));
    claim.exec(database.write()).await.map_err(store_error)?;
    Ok(())
}

/// Records last-use times. They only move forward and do not change a row's version, so that
/// recording a use conflicts with no change.
pub(crate) async fn record_usage(
    db: &Connection,
    recorded: &[Usage],
    at: Timestamp,
) -> StoreResult<()> {
    let (mut users, mut sessions, mut keys) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for usage in recorded {
        match usage {
            Usage::Session { session, user } => {
                users.insert(user.0);
                sessions.insert(session.0);
            }
            Usage::Key(key) => {
                keys.insert(key.0);
            }
        }
    }
    advance::<users::Entity>(db, users::Column::Id, users::Column::LastSeenAt, &users, at).await?;
    advance::<sessions::Entity>(
        db,
        sessions::Column::Id,
        sessions::Column::LastUsedAt,
        &sessions,
        at,
    )
    .await?;
    advance::<api_keys::Entity>(db, api_keys::Column::Id, api_keys::Column::LastUsedAt, &keys, at)
        .await
}

/// Sets the column of the given rows in statements of their own, so that none waits for a lock while
/// it holds others.
async fn advance<E: EntityTrait>(
    db: &Connection,
    id: E::Column,
    column: E::Column,
    ids: &BTreeSet<Uuid>,
    at: Timestamp,
) -> StoreResult<()> {
    let (at, latest) = (micros(at), micros(at + CLOCK_TOLERANCE));
    let ids: Vec<Uuid> = ids.iter().copied().collect();
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

/// Deletes at most `limit` rows that are older than `before`. Returns their number.
///
/// The keys are read by an index on the time and the rows deleted by key, so that no range is locked.
pub(crate) async fn delete_expired(
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
