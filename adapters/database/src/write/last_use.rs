//! Last-use times of sessions, users and API keys.

use std::collections::BTreeSet;

use guestlist_domain::CLOCK_TOLERANCE;
use jiff::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::connect::Connection;
use crate::error::{StoreResult, store_error};
use crate::tables::columns::{MAX_IDS, micros};

/// Moves the last-use times of the given rows forward. That does not change a row's version, so that
/// recording a use conflicts with no change.
///
/// Sets the column in statements of their own, so that none waits for a lock while it holds others.
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
