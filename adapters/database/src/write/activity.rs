//! Last-use times of sessions, users and API keys. They only move forward and do not change a row's
//! version, so that recording a use conflicts with no change.

use std::collections::BTreeSet;

use guestlist_domain::{CLOCK_TOLERANCE, Usage};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use crate::connect::Connection;
use crate::error::{StoreResult, store_error};
use crate::tables::columns::{MAX_IDS, micros};
use crate::tables::{api_keys as k, sessions as s, users as u};

/// Records uses at a time.
pub(crate) async fn record(db: &Connection, recorded: &[Usage], at: Timestamp) -> StoreResult<()> {
    let ids = |id: fn(&Usage) -> Option<Uuid>| recorded.iter().filter_map(id).collect();
    let users = ids(|usage| match usage {
        Usage::Session { user, .. } => Some(user.0),
        Usage::Key(_) => None,
    });
    let sessions = ids(|usage| match usage {
        Usage::Session { session, .. } => Some(session.0),
        Usage::Key(_) => None,
    });
    let keys = ids(|usage| match usage {
        Usage::Key(key) => Some(key.0),
        Usage::Session { .. } => None,
    });
    advance::<u::Entity>(db, u::Column::Id, u::Column::LastSeenAt, &users, at).await?;
    advance::<s::Entity>(db, s::Column::Id, s::Column::LastUsedAt, &sessions, at).await?;
    advance::<k::Entity>(db, k::Column::Id, k::Column::LastUsedAt, &keys, at).await
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
