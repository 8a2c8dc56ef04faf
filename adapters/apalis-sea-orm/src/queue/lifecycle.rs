//! Moves jobs of all queues on as time passes: promotes those that have become due, and deletes
//! expired ones with their attempts.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, TransactionSession,
    TransactionTrait,
    sea_query::{Expr, ExprTrait, Order, Query, SelectStatement},
};
use uuid::Uuid;

use super::job_queue::JobQueue;
use crate::{
    entity::{attempt, job, state},
    sql::{self, micros, select_ids, timestamp, union},
    stats,
};

/// Jobs of one statement or transaction.
const BATCH: u64 = 500;
/// Batches of one call, so that other maintenance is not delayed for long.
const MAX_BATCHES: usize = 20;
/// How long the counts per minute are kept.
const STATS_RETENTION: Duration = Duration::from_hours(26);

/// The states that wait for `run_at`. Only `ready` rows are claimable: when waiting rows were in the
/// index range of a claim, 100,000 future jobs of better priority made claims fifty times slower.
const WAITING: [&str; 2] = [state::SCHEDULED, state::RETRYING];

impl JobQueue {
    /// Makes the scheduled and retrying jobs of all queues that are due at `now` claimable, the
    /// longest overdue first, and returns their number. Several workers may do so concurrently.
    pub async fn promote(&self, now: Timestamp) -> Result<u64, DbErr> {
        let mut promoted = 0;
        for _ in 0..MAX_BATCHES {
            let is_due = Expr::col(job::Column::NextChangeAt).lte(micros(now));
            let due = WAITING.map(|state| {
                select(state, job::Column::Id, BATCH).and_where(is_due.clone()).to_owned()
            });
            let due = select_ids(&self.read, due.into_iter()).await?;
            if due.is_empty() {
                break;
            }
            let is_full = due.len() as u64 >= BATCH;
            promoted += self.set_ready(due, now).await?;
            if !is_full {
                break;
            }
        }
        Ok(promoted)
    }

    /// Returns when the next scheduled or retrying job of any queue is due.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, DbErr> {
        let first = WAITING.map(|state| select(state, job::Column::NextChangeAt, 1));
        let rows = self.read.query_all(&union(first.into_iter()).unwrap_or_default()).await?;
        let times = rows.iter().map(|row| row.try_get_by_index::<i64>(0));
        let times = times.collect::<Result<Vec<_>, _>>()?;
        Ok(times.into_iter().min().map(timestamp))
    }

    /// Deletes expired data: jobs older than [`Options::retention`](crate::Options::retention),
    /// workers that stopped reporting, and counts older than a day. A worker does so every minute.
    pub async fn clean_up(&self, now: Timestamp) -> Result<(), DbErr> {
        self.remove_silent_workers().await?;
        let stats_before = now.saturating_sub(STATS_RETENTION).unwrap_or(now);
        stats::delete_before(&self.write, stats_before).await?;
        let Some(retention) = self.options.retention else { return Ok(()) };
        let before = now.saturating_sub(retention).unwrap_or(Timestamp::MIN);
        for _ in 0..MAX_BATCHES {
            if prune(&self.write, before).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn set_ready(&self, ids: Vec<Uuid>, now: Timestamp) -> Result<u64, DbErr> {
        use job::Column as C;
        let promoted = job::Entity::update_many()
            .col_expr(C::State, Expr::value(state::READY))
            .filter(C::Id.is_in(ids))
            .filter(sql::state_in(WAITING))
            // Another worker may have promoted, claimed and delayed the job again since.
            .filter(C::RunAt.lte(micros(now)))
            .exec(&self.write)
            .await?;
        Ok(promoted.rows_affected)
    }
}

/// Deletes a batch of jobs that were done or cancelled before `before`, with their attempts, and
/// returns their number. Call it until it returns 0. Dead jobs are never deleted.
pub async fn prune<C>(conn: &C, before: Timestamp) -> Result<u64, DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    let ids = prunable(conn, before).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let attempts: Vec<Uuid> = attempt::Entity::find()
        .select_only()
        .column(attempt::Column::Id)
        .filter(attempt::Column::JobId.is_in(ids.iter().copied()))
        .into_tuple()
        .all(conn)
        .await?;
    let transaction = conn.begin().await?;
    let jobs = job::Entity::delete_many()
        .filter(job::Column::Id.is_in(ids.iter().copied()))
        .filter(sql::state_in([state::DONE, state::CANCELLED]))
        .exec(&transaction)
        .await?
        .rows_affected;
    if jobs < ids.len() as u64 {
        // Another worker prunes too, or a cancelled job was retried and keeps its attempts.
        transaction.rollback().await?;
        return Ok(0);
    }
    // Deleted by id: finding them by job, MySQL would lock gaps into which others insert.
    for attempts in attempts.chunks(sql::MAX_ROWS) {
        let these = attempt::Column::Id.is_in(attempts.iter().copied());
        attempt::Entity::delete_many().filter(these).exec(&transaction).await?;
    }
    transaction.commit().await?;
    Ok(jobs)
}

async fn prunable<C: ConnectionTrait>(conn: &C, before: Timestamp) -> Result<Vec<Uuid>, DbErr> {
    let is_old = Expr::col(job::Column::NextChangeAt).lt(micros(before));
    let oldest =
        |state| select(state, job::Column::Id, BATCH / 2).and_where(is_old.clone()).to_owned();
    select_ids(conn, [state::DONE, state::CANCELLED].into_iter().map(oldest)).await
}

/// Selects the first jobs of a state in the order of an index.
fn select(state: &str, column: job::Column, limit: u64) -> SelectStatement {
    Query::select()
        .column(column)
        .from(job::Entity)
        .and_where(Expr::col(job::Column::State).eq(state))
        .order_by(job::Column::NextChangeAt, Order::Asc)
        .limit(limit)
        .to_owned()
}
