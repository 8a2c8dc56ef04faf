//! An operator's second chance for jobs that failed, wait after a failure, or were cancelled.

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    SqlErr,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use crate::{
    JobFilter,
    entity::{job, state},
    filter::matching,
    guard,
    time::micros,
};

/// What [`retry`] or [`retry_at`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// These are ready, or will be at their time.
    pub ready: Vec<Uuid>,
    /// These stay as they are: their keys, unique while unfinished, are others' by now.
    pub key_taken: Vec<Uuid>,
}

/// Makes those of the jobs that are dead, cancelled or retrying ready, with all their attempts
/// before them. When they were enqueued, their keys and the record of earlier attempts stay.
///
/// Runs on any connection. Call [`Waker::wake`](crate::Waker::wake) after the commit.
pub async fn retry<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<Retried, DbErr> {
    again(conn, ids, state::READY, now).await
}

/// The same, but not before that time: until then they are scheduled.
pub async fn retry_at<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    at: Timestamp,
) -> Result<Retried, DbErr> {
    again(conn, ids, state::SCHEDULED, at).await
}

async fn again<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    to: &str,
    at: Timestamp,
) -> Result<Retried, DbErr> {
    let mut retried = Retried::default();
    let mut groups: Vec<&[Uuid]> = ids.chunks(guard::ROWS).collect();
    groups.reverse();
    while let Some(group) = groups.pop() {
        match revive(conn, group, to, at).await {
            Ok(ready) => retried.ready.extend(ready),
            Err(error) if !is_taken(&error) => return Err(error),
            Err(_) if group.len() == 1 => retried.key_taken.push(group[0]),
            Err(_) => {
                let (left, right) = group.split_at(group.len() / 2);
                groups.extend([right, left]);
            }
        }
    }
    Ok(retried)
}

/// Retries all jobs that match, 200 at a time. On a pool each batch commits by itself; in a
/// transaction all are one.
pub async fn retry_matching<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    now: Timestamp,
) -> Result<Retried, DbErr> {
    let mut retried = Retried::default();
    let mut after = None;
    loop {
        let batch = guard::ROWS as u64;
        let ids = matching(conn, filter, &state::RETRYABLE, after, batch).await?;
        let Some(last) = ids.last() else { return Ok(retried) };
        after = Some(*last);
        let more = retry(conn, &ids, now).await?;
        retried.ready.extend(more.ready);
        retried.key_taken.extend(more.key_taken);
    }
}

/// Those that were in a state to be retried, or an error.
async fn revive<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    to: &str,
    at: Timestamp,
) -> Result<Vec<Uuid>, DbErr> {
    use job::Column as C;
    let ids = those(conn, ids, |row| state::RETRYABLE.contains(&&*row.state)).await?;
    if ids.is_empty() {
        return Ok(ids);
    }
    let revived = job::Entity::update_many()
        .col_expr(C::State, Expr::value(to))
        .col_expr(C::RunAt, Expr::value(micros(at)))
        .col_expr(C::Attempts, Expr::value(0))
        // It has not begun: see `recall`.
        .col_expr(C::StartedAt, Expr::value(None::<i64>))
        .col_expr(C::FinishedAt, Expr::value(None::<i64>))
        .col_expr(C::CancelRequestedAt, Expr::value(None::<i64>))
        // In this order: MySQL reads a column as what was assigned to it before.
        .col_expr(C::UniqueKey, Expr::col(C::UniqueKey).if_null(Expr::col(C::FreedKey)))
        .col_expr(C::FreedKey, Expr::value(None::<String>))
        .filter(C::Id.is_in(ids.iter().copied()))
        .filter(guard::is_in(state::RETRYABLE))
        .exec(conn)
        .await?;
    if revived.rows_affected < ids.len() as u64 {
        // Some were claimed while they were looked at.
        let revived = |row: &Row| (&*row.state, row.run_at, row.attempts) == (to, micros(at), 0);
        return those(conn, &ids, revived).await;
    }
    Ok(ids)
}

/// How a job stands.
#[derive(Debug, FromQueryResult)]
struct Row {
    id: Uuid,
    state: String,
    run_at: i64,
    attempts: i32,
}

async fn those<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    are_so: impl Fn(&Row) -> bool,
) -> Result<Vec<Uuid>, DbErr> {
    use job::Column as C;
    let rows = job::Entity::find()
        .select_only()
        .columns([C::Id, C::State, C::RunAt, C::Attempts])
        .filter(C::Id.is_in(ids.iter().copied()))
        .into_model::<Row>()
        .all(conn)
        .await?;
    Ok(rows.into_iter().filter(are_so).map(|row| row.id).collect())
}

fn is_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}
