//! Cancels jobs: idle ones immediately, running ones by a request to their worker.

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{CaseStatement, Expr, ExprTrait},
};
use uuid::Uuid;

use super::filter::{JobFilter, matching_ids};
use crate::{
    entity::{job, state},
    sql,
    time::micros,
};

/// The result of [`cancel`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cancelled {
    /// Jobs that are cancelled.
    pub immediate: Vec<Uuid>,
    /// Jobs that are running and whose workers are asked to stop them. They are not tried again,
    /// regardless of the outcome of the attempt.
    pub requested: Vec<Uuid>,
}

/// Cancels the jobs that have not ended. Done and dead jobs keep their state, because nothing would
/// try them again.
///
/// Runs on any connection, with three statements for each 200 jobs. A worker notices a request
/// within about a second. The running attempt may still end as done or dead, if it is faster.
pub async fn cancel<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<Cancelled, DbErr> {
    let mut cancelled = Cancelled::default();
    for ids in ids.chunks(sql::MAX_ROWS) {
        let ids = in_states(conn, ids, &state::CANCELLABLE).await?;
        let ids: Vec<_> = ids.into_iter().map(|(id, _)| id).collect();
        if ids.is_empty() {
            continue;
        }
        update(conn, &ids, now).await?;
        for (id, state) in in_states(conn, &ids, &[state::CANCELLED, state::RUNNING]).await? {
            let is_running = state == state::RUNNING;
            if is_running { &mut cancelled.requested } else { &mut cancelled.immediate }.push(id);
        }
    }
    Ok(cancelled)
}

/// Cancels all jobs that match, 200 at a time. Each batch commits by itself, unless `conn` is a
/// transaction.
pub async fn cancel_matching<C: ConnectionTrait>(
    conn: &C,
    filter: &JobFilter,
    now: Timestamp,
) -> Result<Cancelled, DbErr> {
    let mut cancelled = Cancelled::default();
    let mut after = None;
    loop {
        let batch = sql::MAX_ROWS as u64;
        let ids = matching_ids(conn, filter, &state::CANCELLABLE, after, batch).await?;
        let Some(last) = ids.last() else { return Ok(cancelled) };
        after = Some(*last);
        let more = cancel(conn, &ids, now).await?;
        cancelled.immediate.extend(more.immediate);
        cancelled.requested.extend(more.requested);
    }
}

async fn in_states<C: ConnectionTrait>(
    conn: &C,
    ids: &[Uuid],
    states: &[&str],
) -> Result<Vec<(Uuid, String)>, DbErr> {
    let rows: Vec<(Uuid, String)> = job::Entity::find()
        .select_only()
        .columns([job::Column::Id, job::Column::State])
        .filter(job::Column::Id.is_in(ids.iter().copied()))
        .into_tuple()
        .all(conn)
        .await?;
    Ok(rows.into_iter().filter(|(_, state)| states.contains(&state.as_str())).collect())
}

/// Cancels idle and running jobs by one statement, because a job could move from one of
/// these states to the other between two statements.
async fn update<C: ConnectionTrait>(conn: &C, ids: &[Uuid], now: Timestamp) -> Result<(), DbErr> {
    use job::Column as C;
    let is_idle = || Expr::col(C::State).ne(state::RUNNING);
    let finished =
        CaseStatement::new().case(is_idle(), micros(now)).finally(Expr::col(C::FinishedAt));
    let state = CaseStatement::new().case(is_idle(), state::CANCELLED).finally(Expr::col(C::State));
    // The order matters: MySQL evaluates assignments from left to right.
    sql::free_key(job::Entity::update_many(), &is_idle())
        .col_expr(C::CancelRequestedAt, Expr::col(C::CancelRequestedAt).if_null(micros(now)))
        .col_expr(C::FinishedAt, finished.into())
        .col_expr(C::State, state.into())
        .filter(C::Id.is_in(ids.iter().copied()))
        .filter(sql::state_in(state::CANCELLABLE))
        .exec(conn)
        .await?;
    Ok(())
}
