//! Claims on links, which let one request at a time redeem a link.

use guestlist_domain::{LinkClaim, TokenHash};
use jiff::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter};

use crate::connect::Database;
use crate::error::{ErrorClass, classify};
use crate::tables::columns::micros;
use crate::tables::link_claims::{ActiveModel, Column, Entity};

/// Attempts to claim a link. `repeated` says that an earlier attempt had an unknown result.
pub(crate) async fn try_claim_link(
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
