//! Operators' actions: cancel, dismiss and retry a job, pause and resume a queue. Each runs on any
//! connection, so that an audit record can be part of the same transaction.

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, UpdateMany,
    sea_query::{CaseStatement, Expr, ExprTrait, OnConflict, Query},
};
use uuid::Uuid;

use crate::{
    entity::{job, queue, state},
    sql::{self, micros},
};

/// Cancels a job that has not ended: an idle one immediately, a running one at the end of its
/// attempt, unless it is done or dead by then. Returns `false` if the job has ended.
pub async fn cancel<C: ConnectionTrait>(conn: &C, id: Uuid, now: Timestamp) -> Result<bool, DbErr> {
    use job::Column as C;
    // One statement for idle and running jobs, because a job could move from one of these states to
    // the other between two statements.
    let is_idle = || Expr::col(C::State).ne(state::RUNNING);
    let finished =
        CaseStatement::new().case(is_idle(), micros(now)).finally(Expr::col(C::FinishedAt));
    let state = CaseStatement::new().case(is_idle(), state::CANCELLED).finally(Expr::col(C::State));
    // The order matters: MySQL evaluates assignments from left to right.
    let update = job::Entity::update_many()
        .col_expr(C::CancelRequestedAt, Expr::col(C::CancelRequestedAt).if_null(micros(now)))
        .col_expr(C::FinishedAt, finished.into())
        .col_expr(C::State, state.into());
    update_if_in_state(conn, update, id, &state::CANCELLABLE).await
}

/// Cancels a dead job, whose work was completed or abandoned by other means. It can still be
/// [retried](retry). Returns `false` if the job is not dead.
pub async fn dismiss<C: ConnectionTrait>(
    conn: &C,
    id: Uuid,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let update = job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(state::CANCELLED))
        .col_expr(job::Column::FinishedAt, Expr::value(micros(now)));
    update_if_in_state(conn, update, id, &[state::DEAD]).await
}

/// [Dismisses](dismiss) the job that has this unique key. Returns `false` if there is none, or if it
/// is not dead.
pub async fn dismiss_by_key<C: ConnectionTrait>(
    conn: &C,
    key: &str,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let found: Option<(Uuid, String)> = job::Entity::find()
        .select_only()
        .columns([job::Column::Id, job::Column::State])
        .filter(job::Column::UniqueKey.eq(key))
        .into_tuple()
        .one(conn)
        .await?;
    match found {
        Some((id, state)) if state == state::DEAD => dismiss(conn, id, now).await,
        _ => Ok(false),
    }
}

/// Makes a dead, cancelled or retrying job ready, with its full number of attempts. `created_at`,
/// the unique key and the records of earlier attempts are kept. Returns `false` if the job is in
/// another state.
///
/// Call [`Waker::wake`](crate::Waker::wake) after the commit.
pub async fn retry<C: ConnectionTrait>(conn: &C, id: Uuid, now: Timestamp) -> Result<bool, DbErr> {
    restart(conn, id, state::READY, now).await
}

/// Like [`retry`], but schedules the job for `at`.
pub async fn retry_at<C: ConnectionTrait>(
    conn: &C,
    id: Uuid,
    at: Timestamp,
) -> Result<bool, DbErr> {
    restart(conn, id, state::SCHEDULED, at).await
}

async fn restart<C: ConnectionTrait>(
    conn: &C,
    id: Uuid,
    state: &str,
    at: Timestamp,
) -> Result<bool, DbErr> {
    use job::Column as C;
    let update = job::Entity::update_many()
        .col_expr(C::State, Expr::value(state))
        .col_expr(C::RunAt, Expr::value(micros(at)))
        .col_expr(C::Attempts, Expr::value(0))
        // A claim that has read the former number of attempts leases nothing.
        .col_expr(C::Fence, Expr::col(C::Fence).add(1))
        // Marks the job as not started, which the correction of clock skew depends on.
        .col_expr(C::StartedAt, Expr::value(None::<i64>))
        .col_expr(C::FinishedAt, Expr::value(None::<i64>))
        .col_expr(C::CancelRequestedAt, Expr::value(None::<i64>));
    update_if_in_state(conn, update, id, &state::RETRYABLE).await
}

/// Updates a job if it is in one of these states, and returns whether it was.
async fn update_if_in_state<C: ConnectionTrait>(
    conn: &C,
    update: UpdateMany<job::Entity>,
    id: Uuid,
    states: &[&str],
) -> Result<bool, DbErr> {
    let update = update.filter(job::Column::Id.eq(id));
    let update = update.filter(sql::state_in(states.iter().copied()));
    Ok(update.exec(conn).await?.rows_affected > 0)
}

/// Makes the retrying jobs of these queues due immediately and returns their number, for example
/// when the outage that made them fail is over. Attempts stay charged.
///
/// Call [`Waker::wake`](crate::Waker::wake) after the commit.
pub async fn retry_now<C: ConnectionTrait>(
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
    let mut count = 0;
    for ids in waiting.chunks(sql::MAX_ROWS) {
        let update = job::Entity::update_many()
            .col_expr(job::Column::RunAt, Expr::value(micros(now)))
            .filter(job::Column::Id.is_in(ids.iter().copied()))
            .filter(sql::state_in([state::RETRYING]));
        count += update.exec(conn).await?.rows_affected;
    }
    Ok(count)
}

/// Pauses a queue: from the commit on no worker claims from it. Running jobs continue. Pausing a
/// paused queue updates `by` and `reason`, but not the time.
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
