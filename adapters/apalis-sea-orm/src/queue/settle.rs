//! Settles jobs: writes the results of attempts, many at a time, in a transaction that the caller
//! may own, and finds out whether results were written.

use super::attempt::{AttemptOutcome, AttemptResult};
use crate::{
    entity::{attempt, job, state},
    sql::{self, micros, value_by_id},
    stats,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, UpdateMany,
    sea_query::{CaseStatement, Expr, ExprTrait},
};

/// Whether a group of results was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "when leases were lost the transaction must be rolled back"]
pub enum Settled {
    /// Every lease was current: all results are written, if the transaction commits.
    All,
    /// At least one lease was lost. Others of the group may be written: roll back, and settle parts
    /// of the group by themselves.
    SomeLost,
}

/// Writes the results of attempts. Sends an UPDATE for each kind of outcome (and each 200 jobs),
/// guarded by each job's fence, one INSERT of the attempts to keep, and for the statistics one
/// statement for each queue and, if jobs are retried or snoozed, one SELECT.
///
/// A job whose cancellation was requested is not tried again: a retry or a snooze cancels it.
///
/// Call this in a transaction, and roll back unless it returns [`Settled::All`]. Take locks that are
/// shared with other transactions before this call rather than after it: the tasks of one worker
/// wait here for each other to update the statistics.
pub async fn settle<C: ConnectionTrait>(
    conn: &C,
    results: &[AttemptResult],
) -> Result<Settled, DbErr> {
    for outcome in ["done", "retry", "snooze", "dead"] {
        let group: Vec<_> = results.iter().filter(|r| r.outcome.name() == outcome).collect();
        for group in group.chunks(sql::MAX_ROWS) {
            let written = update(group).exec(conn).await?.rows_affected;
            if written < group.len() as u64 {
                return Ok(Settled::SomeLost);
            }
        }
    }
    let attempts = results.iter().filter(|r| !r.is_plain_success()).map(AttemptResult::row);
    insert_attempts(conn, attempts.collect()).await?;
    stats::count(conn, results).await?;
    Ok(Settled::All)
}

pub(crate) async fn insert_attempts<C: ConnectionTrait>(
    conn: &C,
    rows: Vec<attempt::ActiveModel>,
) -> Result<(), DbErr> {
    for rows in rows.chunks(1_000) {
        let rows = rows.iter().cloned();
        attempt::Entity::insert_many(rows).exec_without_returning(conn).await?;
    }
    Ok(())
}

/// Returns the UPDATE for results that all have the same kind of outcome.
fn update(group: &[&AttemptResult]) -> UpdateMany<job::Entity> {
    use job::Column as C;
    let leases: Vec<_> = group.iter().map(|r| (r.job, r.fence)).collect();
    let finished = value_by_id(group.iter().map(|r| (r.job, micros(r.finished_at))));
    let run_at =
        value_by_id(group.iter().filter_map(|r| Some((r.job, micros(r.outcome.run_at()?)))));
    let errors = group.iter().filter_map(|r| Some((r.job, r.error.as_ref()?)));
    let code = value_by_id(errors.clone().map(|(job, error)| (job, error.stored_code())));
    let message = value_by_id(errors.map(|(job, error)| (job, error.stored_message())));

    let update = job::Entity::update_many()
        .filter(sql::lease_is_current(&leases))
        .col_expr(C::LockedBy, Expr::value(None::<String>))
        .col_expr(C::LeaseUntil, Expr::value(None::<i64>))
        .col_expr(C::LastErrorCode, code)
        .col_expr(C::LastError, message);
    match group[0].outcome {
        AttemptOutcome::Done => finish(update, state::DONE, finished),
        AttemptOutcome::Dead => finish(update, state::DEAD, finished),
        AttemptOutcome::Retry { .. } => {
            requeue(update, state::RETRYING, finished).col_expr(C::RunAt, run_at)
        }
        AttemptOutcome::Snooze { .. } => requeue(update, state::SCHEDULED, finished)
            .col_expr(C::RunAt, run_at)
            .col_expr(C::Attempts, Expr::col(C::Attempts).sub(1)),
    }
}

fn finish(update: UpdateMany<job::Entity>, state: &str, finished: Expr) -> UpdateMany<job::Entity> {
    update
        .col_expr(job::Column::State, Expr::value(state))
        .col_expr(job::Column::FinishedAt, finished)
}

/// Moves a job to `state`, or to `cancelled` if its cancellation was requested.
pub(crate) fn requeue(
    update: UpdateMany<job::Entity>,
    state: &str,
    finished: Expr,
) -> UpdateMany<job::Entity> {
    use job::Column as C;
    let is_requested = || Expr::col(C::CancelRequestedAt).is_not_null();
    let to = CaseStatement::new().case(is_requested(), state::CANCELLED).finally(state);
    let finished =
        CaseStatement::new().case(is_requested(), finished).finally(Expr::col(C::FinishedAt));
    update.col_expr(C::State, to.into()).col_expr(C::FinishedAt, finished.into())
}

/// Returns whether a result was written, for example by a commit whose answer was lost. If it was not
/// and the lease is not current either, it never can be. Call this outside the transaction that
/// failed.
pub async fn is_written<C: ConnectionTrait>(
    conn: &C,
    result: &AttemptResult,
) -> Result<bool, DbErr> {
    if result.outcome == AttemptOutcome::Done {
        // Only the holder of a fence can finish a job under that fence.
        let done = job::Entity::find_by_id(result.job)
            .filter(job::Column::Fence.eq(result.fence))
            .filter(sql::state_in([state::DONE]));
        if done.one(conn).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(attempt::Entity::find_by_id(result.attempt_id).one(conn).await?.is_some())
}
