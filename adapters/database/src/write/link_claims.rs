//! Claims on links, so that a link is authenticated by one request at a time.

use guestlist_domain::{LinkClaim, TokenHash};
use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, sea_query::Expr,
};

use crate::connect::Database;
use crate::error::{ErrorClass, StoreResult, classify, store_error};
use crate::retry::Retry;
use crate::tables::columns::micros;
use crate::tables::link_claims::{ActiveModel, Column, Entity};

/// Claims a link until a time. Of several concurrent claims one is granted.
pub(crate) async fn claim(
    database: &Database,
    token: TokenHash,
    now: Timestamp,
    until: Timestamp,
) -> StoreResult<LinkClaim> {
    let mut retry = Retry::new();
    let mut repeated = false;
    loop {
        let error = match try_claim(database, token, (now, until), repeated).await {
            Ok(claim) => return Ok(claim),
            Err(error) => error,
        };
        if !retry.wait(classify(&error)).await {
            return Err(store_error(error));
        }
        repeated = true;
    }
}

async fn try_claim(
    database: &Database,
    token: TokenHash,
    (now, until): (Timestamp, Timestamp),
    repeated: bool,
) -> Result<LinkClaim, DbErr> {
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
pub(crate) async fn release(
    database: &Database,
    token: TokenHash,
    until: Timestamp,
) -> StoreResult<()> {
    let claim = Entity::delete_many()
        .filter(Column::TokenHash.eq(token.0.to_vec()))
        .filter(Column::ClaimedUntil.eq(micros(until)));
    claim.exec(database.write()).await.map_err(store_error)?;
    Ok(())
}
