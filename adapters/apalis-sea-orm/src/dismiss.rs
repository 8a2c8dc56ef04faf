//! Dead jobs that somebody has seen to in another way.

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    entity::{job, state},
    guard,
    time::micros,
};

/// Makes those of the jobs cancelled that are dead, and tells how many: what they were for was
/// done, or given up, in another way. They can still be [retried](crate::retry).
///
/// Runs on any connection.
pub async fn dismiss<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<u64, DbErr> {
    let mut dismissed = 0;
    for ids in ids.chunks(guard::ROWS) {
        let update = job::Entity::update_many()
            .col_expr(job::Column::State, Expr::value(state::CANCELLED))
            .col_expr(job::Column::FinishedAt, Expr::value(micros(now)))
            .filter(job::Column::Id.is_in(ids.iter().copied()))
            .filter(guard::is_in([state::DEAD]));
        dismissed += update.exec(conn).await?.rows_affected;
    }
    Ok(dismissed)
}

/// [`dismiss`] for the jobs that have one of these unique keys. A key that was unique [while
/// unfinished](crate::Unique::WhileUnfinished) is no dead job's any more.
pub async fn dismiss_by_key<C: ConnectionTrait>(
    conn: &C,
    keys: &[String],
    now: Timestamp,
) -> Result<u64, DbErr> {
    let mut dismissed = 0;
    for keys in keys.chunks(guard::ROWS) {
        let ids: Vec<Uuid> = job::Entity::find()
            .select_only()
            .column(job::Column::Id)
            .filter(job::Column::UniqueKey.is_in(keys))
            .filter(guard::is_in([state::DEAD]))
            .into_tuple()
            .all(conn)
            .await?;
        if !ids.is_empty() {
            dismissed += dismiss(conn, &ids, now).await?;
        }
    }
    Ok(dismissed)
}
