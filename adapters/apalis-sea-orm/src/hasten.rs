//! Making what failed due at once, when the reason for its failing is over.

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

/// Makes the jobs of these queues due that wait to be tried again, and tells how many: after an
/// outage, say, instead of the pauses that grew while it lasted. Attempts stay charged.
///
/// Runs on any connection. Call [`Waker::wake`](crate::Waker::wake) after the commit.
pub async fn hasten<C: ConnectionTrait>(
    conn: &C,
    queues: &[String],
    now: Timestamp,
) -> Result<u64, DbErr> {
    let waiting: Vec<Uuid> = job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(job::Column::State.eq(state::RETRYING))
        .filter(job::Column::Queue.is_in(queues))
        .filter(job::Column::RunAt.gt(micros(now)))
        .into_tuple()
        .all(conn)
        .await?;
    let mut hastened = 0;
    for ids in waiting.chunks(guard::ROWS) {
        let update = job::Entity::update_many()
            .col_expr(job::Column::RunAt, Expr::value(micros(now)))
            .filter(job::Column::Id.is_in(ids.iter().copied()))
            .filter(guard::is_in([state::RETRYING]));
        hastened += update.exec(conn).await?.rows_affected;
    }
    Ok(hastened)
}
