//! Deleting jobs that are done or cancelled, and their attempts.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, TransactionSession,
    TransactionTrait,
    sea_query::{Expr, ExprTrait, Order, Query},
};
use uuid::Uuid;

use crate::{
    Queue,
    entity::{attempt, job, state},
    filter::union,
    guard, stats,
    time::micros,
};

/// Jobs of one transaction.
const BATCH: u64 = 500;
/// Batches of one tidying: more wait for the next.
const BATCHES: usize = 20;
/// How long the minutes' counts are kept.
const COUNTS: Duration = Duration::from_hours(26);

/// Deletes a batch of the jobs, with their attempts, that were done or cancelled before that time,
/// and tells how many: call it again until it answers none. Dead jobs stay until someone acts.
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
        .filter(guard::is_in([state::DONE, state::CANCELLED]))
        .exec(&transaction)
        .await?
        .rows_affected;
    if jobs < ids.len() as u64 {
        // Another worker prunes too, or someone retried a cancelled job, whose attempts stay.
        transaction.rollback().await?;
        return Ok(0);
    }
    // By their own ids: found by their jobs, MySQL would lock what others insert beside them.
    for attempts in attempts.chunks(guard::ROWS) {
        let these = attempt::Column::Id.is_in(attempts.iter().copied());
        attempt::Entity::delete_many().filter(these).exec(&transaction).await?;
    }
    transaction.commit().await?;
    Ok(jobs)
}

impl Queue {
    /// Deletes what is old enough to go: by [`Options::retention`](crate::Options::retention) jobs
    /// that are done or cancelled, workers that fell silent, and counts of more than a day ago. A
    /// worker does so every minute.
    pub async fn tidy(&self, now: Timestamp) -> Result<(), DbErr> {
        self.forget_silent().await?;
        stats::forget(&self.write, now.saturating_sub(COUNTS).unwrap_or(now)).await?;
        let Some(retention) = self.options.retention else { return Ok(()) };
        let before = now.saturating_sub(retention).unwrap_or(Timestamp::MIN);
        for _ in 0..BATCHES {
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
            .and_where(Expr::col(C::TurnAt).lt(micros(before)))
            .order_by(C::TurnAt, Order::Asc)
            .limit(BATCH / 2)
            .to_owned()
    };
    let oldest = union([state::DONE, state::CANCELLED].into_iter().map(oldest));
    let rows = conn.query_all(&oldest.unwrap_or_default()).await?;
    rows.iter().map(|row| row.try_get_by_index::<Uuid>(0)).collect()
}
