//! Deletes done and cancelled jobs with their attempts.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, TransactionSession,
    TransactionTrait,
    sea_query::{Expr, ExprTrait, Order, Query},
};
use uuid::Uuid;

use super::job_queue::JobQueue;
use crate::{
    entity::{attempt, job, state},
    sql, stats,
    time::micros,
};

/// Jobs of one transaction.
const BATCH: u64 = 500;
/// Batches of one cleanup; more jobs wait for the next.
const MAX_BATCHES: usize = 20;
/// How long the counts per minute are kept.
const STATS_RETENTION: Duration = Duration::from_hours(26);

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

impl JobQueue {
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
}

async fn prunable<C: ConnectionTrait>(conn: &C, before: Timestamp) -> Result<Vec<Uuid>, DbErr> {
    use job::Column as C;
    let oldest = |state: &str| {
        Query::select()
            .column(C::Id)
            .from(job::Entity)
            .and_where(Expr::col(C::State).eq(state))
            .and_where(Expr::col(C::NextChangeAt).lt(micros(before)))
            .order_by(C::NextChangeAt, Order::Asc)
            .limit(BATCH / 2)
            .to_owned()
    };
    sql::select_ids(conn, [state::DONE, state::CANCELLED].into_iter().map(oldest)).await
}
