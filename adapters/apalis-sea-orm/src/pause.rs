//! Pausing queues: a row that every claim looks at, in every process.

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DbErr, EntityTrait,
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};

use crate::{Queue, entity::queue, time::micros};

/// Pauses a queue: from the commit on nobody claims from it, while jobs under way go on. Paused
/// again, it keeps the time and takes the new name and reason.
///
/// Runs on any connection, so that a record of who did it can be in the same transaction.
pub async fn pause<C: ConnectionTrait>(
    conn: &C,
    name: &str,
    by: &str,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(), DbErr> {
    use queue::Column as C;
    let since = Expr::col(C::PausedAt).if_null(micros(now));
    let anew = OnConflict::column(C::Name)
        .value(C::PausedAt, since)
        .value(C::PausedBy, Expr::value(by))
        .value(C::Reason, Expr::value(reason.map(ToOwned::to_owned)))
        .to_owned();
    let paused = queue::ActiveModel {
        name: Set(name.to_owned()),
        paused_at: Set(Some(micros(now))),
        paused_by: Set(Some(by.to_owned())),
        reason: Set(reason.map(ToOwned::to_owned)),
    };
    queue::Entity::insert(paused).on_conflict(anew).exec_without_returning(conn).await?;
    Ok(())
}

/// Ends a pause, and tells whether there was one. Call [`Waker::wake`](crate::Waker::wake) after
/// the commit; workers in other processes find out at their next look.
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

impl Queue {
    /// [`pause`], by itself.
    pub async fn pause(&self, name: &str, by: &str, reason: Option<&str>) -> Result<(), DbErr> {
        pause(&self.write, name, by, reason, self.options.now()).await
    }

    /// [`resume`], by itself, waking the workers that share this one's waker.
    pub async fn resume(&self, name: &str) -> Result<bool, DbErr> {
        let resumed = resume(&self.write, name).await?;
        self.options.waker.wake();
        Ok(resumed)
    }
}

/// Whether that queue is not paused; asked once a statement, not once a row.
pub(crate) fn not_paused(name: &str) -> Expr {
    let paused = Query::select()
        .expr(Expr::value(1))
        .from(queue::Entity)
        .and_where(Expr::col(queue::Column::Name).eq(name))
        .and_where(Expr::col(queue::Column::PausedAt).is_not_null())
        .to_owned();
    Expr::not_exists(paused)
}
