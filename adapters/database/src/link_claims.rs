//! Claims of links that are being authenticated: one row for each, by the token's hash.

use guestlist_domain::{LinkClaim, StoreError, TokenHash};
use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, sea_query::Expr,
};

use crate::connect::Database;
use crate::errors::{Class, class, store_error};
use crate::logins::claim::{ActiveModel, Column, Entity};
use crate::retry::Tries;
use crate::values::micros;

/// Claims a link; of several that try at once, one gets it.
pub(crate) async fn claim(
    database: &Database,
    token: TokenHash,
    now: Timestamp,
    until: Timestamp,
) -> Result<LinkClaim, StoreError> {
    let mut tries = Tries::new();
    let mut repeated = false;
    loop {
        let error = match try_claim(database, token, (now, until), repeated).await {
            Ok(claim) => return Ok(claim),
            Err(error) => error,
        };
        if !tries.again(class(&error)).await {
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
        Err(error) if class(&error) == Class::Conflict => {}
        Err(error) => return Err(error),
    }
    // An earlier try, whose answer was lost, may have inserted the row.
    let is_own = Entity::find_by_id(hash.clone()).filter(Column::ClaimedUntil.eq(micros(until)));
    if repeated && is_own.one(database.write()).await?.is_some() {
        return Ok(LinkClaim::Granted);
    }
    // Every claim is as long as this one. What ends much later was claimed by a clock that was
    // ahead, and would be held for as long as that was.
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

/// Ends a claim, unless another press has taken it over.
pub(crate) async fn release(
    database: &Database,
    token: TokenHash,
    until: Timestamp,
) -> Result<(), StoreError> {
    let claim = Entity::delete_many()
        .filter(Column::TokenHash.eq(token.0.to_vec()))
        .filter(Column::ClaimedUntil.eq(micros(until)));
    claim.exec(database.write()).await.map_err(store_error)?;
    Ok(())
}
