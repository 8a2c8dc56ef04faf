//! Pauses queues. A pause is a row that the claims of every process check.

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DbErr, EntityTrait,
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};

use crate::{entity::queue, time::micros};

/// Pauses a queue: from the commit on no worker claims from it. Running jobs continue. Pausing a
/// paused queue updates `by` and `reason`, but not the time.
///
/// Runs on any connection, so that an audit record can be part of the same transaction.
pub async fn pause<C: ConnectionTrait>(
    conn: &C,
    name: &str,
    by: &str,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(), DbErr> {
    use queue::Column as C;
    let since = Expr::col(C::PausedAt).if_null(micros(now));
    let on_conflict = OnConflict::column(C::Name)
        .value(C::PausedAt, since)
        .value(C::PausedBy, Expr::value(by))
        .value(C::Reason, Expr::value(reason.map(ToOwned::to_owned)))
        .to_owned();
    let row = queue::ActiveModel {
        name: Set(name.to_owned()),
        paused_at: Set(Some(micros(now))),
        paused_by: Set(Some(by.to_owned())),
        reason: Set(reason.map(ToOwned::to_owned)),
    };
    queue::Entity::insert(row).on_conflict(on_conflict).exec_without_returning(conn).await?;
    Ok(())
}

/// Resumes a queue and returns whether it was paused. Call [`Waker::wake`](crate::Waker::wake) after
/// the commit; workers in other processes notice at their next poll.
pub async fn resume<C: ConnectionTrait>(conn: &C, name: &str) -> Result<bool, DbErr> {
    use queue::Column as C;
    let resume = Query::update()
        .table(queue::Entity)
        .value(C::PausedAt, None::<i64>)
        .value(C::PausedBy, None::<String>)
        .value(C::Reason, None::<String>)
        .and_where(Expr::col(C::Name).eq(name))
        .and_where(Expr::col(C::PausedAt).is_not_null())
        .to_owned();
    Ok(conn.execute(&resume).await?.rows_affected() > 0)
}
