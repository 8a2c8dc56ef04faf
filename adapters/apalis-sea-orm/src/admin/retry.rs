//! Retries jobs that are dead, cancelled or waiting for their next attempt.

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::filter::{JobFilter, matching_ids};
use crate::{
    entity::{job, state},
    queue::enqueue::is_unique_violation,
    sql,
    time::micros,
};

/// The result of [`retry`] or [`retry_at`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// Jobs that are ready, or scheduled for the given time.
    pub ready: Vec<Uuid>,
    /// Jobs that were not changed, because another job has taken their unique key.
    pub key_taken: Vec<Uuid>,
}

/// Makes the dead, cancelled and retrying jobs among these ready, with their full number of
/// attempts. `created_at`, unique keys and the records of earlier attempts are kept.
///
/// Runs on any connection. Call [`Waker::wake`](crate::Waker::wake) after the commit.
pub async fn retry<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<Retried, DbErr> {
    retry_all(conn, ids, state::READY, now).await
}

/// Like [`retry`], but schedules the jobs for `at`.
pub async fn retry_at<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    at: Timestamp,
) -> Result<Retried, DbErr> {
    retry_all(conn, ids, state::SCHEDULED, at).await
}

/// Retries all jobs that match, 200 at a time. Each batch commits by itself, unless `conn` is a
/// transaction.
pub async fn retry_matching<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    now: Timestamp,
) -> Result<Retried, DbErr> {
    let mut retried = Retried::default();
    let mut after = None;
    loop {
        let batch = sql::MAX_ROWS as u64;
        let ids = matching_ids(conn, filter, &state::RETRYABLE, after, batch).await?;
        let Some(last) = ids.last() else { return Ok(retried) };
        after = Some(*last);
        let more = retry(conn, &ids, now).await?;
        retried.ready.extend(more.ready);
        retried.key_taken.extend(more.key_taken);
    }
}

/// Makes the retrying jobs of these queues due immediately and returns their number, for example
/// when the outage that made them fail is over. Attempts stay charged.
///
/// Runs on any connection. Call [`Waker::wake`](crate::Waker::wake) after the commit.
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

/// Retries jobs in groups, and halves a group whose statement violates a unique key until the job
/// whose key is taken is found.
async fn retry_all<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    state: &str,
    at: Timestamp,
) -> Result<Retried, DbErr> {
    let mut retried = Retried::default();
    let mut groups: Vec<&[Uuid]> = ids.chunks(sql::MAX_ROWS).collect();
    groups.reverse();
    while let Some(group) = groups.pop() {
        match retry_group(conn, group, state, at).await {
            Ok(ready) => retried.ready.extend(ready),
            Err(error) if !is_unique_violation(&error) => return Err(error),
            Err(_) if group.len() == 1 => retried.key_taken.push(group[0]),
            Err(_) => {
                let (left, right) = group.split_at(group.len() / 2);
                groups.extend([right, left]);
            }
        }
    }
    Ok(retried)
}

/// Returns the ids of the jobs that were retried.
async fn retry_group<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    state: &str,
    at: Timestamp,
) -> Result<Vec<Uuid>, DbErr> {
    use job::Column as C;
    let ids = select(conn, ids, |row| state::RETRYABLE.contains(&&*row.state)).await?;
    if ids.is_empty() {
        return Ok(ids);
    }
    let updated = job::Entity::update_many()
        .col_expr(C::State, Expr::value(state))
        .col_expr(C::RunAt, Expr::value(micros(at)))
        .col_expr(C::Attempts, Expr::value(0))
        // Marks the job as not started, which the correction of clock skew depends on.
        .col_expr(C::StartedAt, Expr::value(None::<i64>))
        .col_expr(C::FinishedAt, Expr::value(None::<i64>))
        .col_expr(C::CancelRequestedAt, Expr::value(None::<i64>))
        // The order matters: MySQL evaluates assignments from left to right.
        .col_expr(C::UniqueKey, Expr::col(C::UniqueKey).if_null(Expr::col(C::FreedKey)))
        .col_expr(C::FreedKey, Expr::value(None::<String>))
        .filter(C::Id.is_in(ids.iter().copied()))
        .filter(sql::state_in(state::RETRYABLE))
        .exec(conn)
        .await?;
    if updated.rows_affected < ids.len() as u64 {
        // Some were claimed between the two statements.
        let is_updated =
            |row: &Row| (&*row.state, row.run_at, row.attempts) == (state, micros(at), 0);
        return select(conn, &ids, is_updated).await;
    }
    Ok(ids)
}

#[derive(Debug, FromQueryResult)]
struct Row {
    id: Uuid,
    state: String,
    run_at: i64,
    attempts: i32,
}

async fn select<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    predicate: impl Fn(&Row) -> bool,
) -> Result<Vec<Uuid>, DbErr> {
    use job::Column as C;
    let rows = job::Entity::find()
        .select_only()
        .columns([C::Id, C::State, C::RunAt, C::Attempts])
        .filter(C::Id.is_in(ids.iter().copied()))
        .into_model::<Row>()
        .all(conn)
        .await?;
    Ok(rows.into_iter().filter(predicate).map(|row| row.id).collect())
}
