//! Notes of uses: set-wise, only ever forward, and without raising any row's version, for that
//! somebody was here must not disturb whoever decides about them.

use std::collections::BTreeSet;

use guestlist_domain::{CLOCK_TOLERANCE, Usage, StoreError};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use crate::connection::Connection;
use crate::errors::store_error;
use crate::rows::LIST;
use crate::values::micros;
use crate::{keys::entity as k, sessions::entity as s, users::entity as u};

pub(crate) async fn note(db: &Connection, seen: &[Usage], at: Timestamp) -> Result<(), StoreError> {
    let ids = |id: fn(&Usage) -> Option<Uuid>| seen.iter().filter_map(id).collect();
    let users = ids(|seen| match seen {
        Usage::Session { user, .. } => Some(user.0),
        Usage::Key(_) => None,
    });
    let sessions = ids(|seen| match seen {
        Usage::Session { session, .. } => Some(session.0),
        Usage::Key(_) => None,
    });
    let keys = ids(|seen| match seen {
        Usage::Key(key) => Some(key.0),
        Usage::Session { .. } => None,
    });
    move_on::<u::Entity>(db, u::Column::Id, u::Column::LastSeenAt, &users, at).await?;
    move_on::<s::Entity>(db, s::Column::Id, s::Column::LastUsedAt, &sessions, at).await?;
    move_on::<k::Entity>(db, k::Column::Id, k::Column::LastUsedAt, &keys, at).await
}

/// One statement a list, each by itself: none waits for a lock while it holds others'.
async fn move_on<E: EntityTrait>(
    db: &Connection,
    id: E::Column,
    column: E::Column,
    ids: &BTreeSet<Uuid>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (at, latest) = (micros(at), micros(at + CLOCK_TOLERANCE));
    let ids: Vec<Uuid> = ids.iter().copied().collect();
    for ids in ids.chunks(LIST) {
        let earlier = Condition::any()
            .add(column.is_null())
            .add(column.lt(at))
            // Noted by a process whose clock was ahead.
            .add(column.gt(latest));
        let noted: Result<_, DbErr> = E::update_many()
            .col_expr(column, Expr::value(at))
            .filter(id.is_in(ids.iter().copied()))
            .filter(earlier)
            .exec(db)
            .await;
        noted.map_err(store_error)?;
    }
    Ok(())
}
