//! Dismisses dead jobs.

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    entity::{job, state},
    sql,
    time::micros,
};

/// Cancels the dead jobs among these and returns their number, for work that was completed or
/// abandoned by other means. They can still be [retried](crate::retry). Runs on any connection.
pub async fn dismiss<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<u64, DbErr> {
    let mut dismissed = 0;
    for ids in ids.chunks(sql::MAX_ROWS) {
        let update = job::Entity::update_many()
            .col_expr(job::Column::State, Expr::value(state::CANCELLED))
            .col_expr(job::Column::FinishedAt, Expr::value(micros(now)))
            .filter(job::Column::Id.is_in(ids.iter().copied()))
            .filter(sql::state_in([state::DEAD]));
        dismissed += update.exec(conn).await?.rows_affected;
    }
    Ok(dismissed)
}

/// [Dismisses](dismiss) the dead jobs that have one of these unique keys. A dead job has no key that
/// was unique [while it was unfinished](crate::Unique::WhileUnfinished).
pub async fn dismiss_by_key<C: ConnectionTrait>(
    conn: &C,
    keys: &[String],
    now: Timestamp,
) -> Result<u64, DbErr> {
    let mut dismissed = 0;
    for keys in keys.chunks(sql::MAX_ROWS) {
        let ids: Vec<Uuid> = job::Entity::find()
            .select_only()
            .column(job::Column::Id)
            .filter(job::Column::UniqueKey.is_in(keys))
            .filter(sql::state_in([state::DEAD]))
            .into_tuple()
            .all(conn)
            .await?;
        if !ids.is_empty() {
            dismissed += dismiss(conn, &ids, now).await?;
        }
    }
    Ok(dismissed)
}
