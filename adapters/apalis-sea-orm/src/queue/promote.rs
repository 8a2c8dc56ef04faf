//! Promotes jobs that have become due. Only `ready` rows are claimable: when waiting rows were in
//! the index range of a claim, 100,000 future jobs of better priority made claims fifty times
//! slower.

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, Order, Query, SelectStatement},
};
use uuid::Uuid;

use super::job_queue::JobQueue;
use crate::{
    entity::{job, state},
    sql::{self, select_ids, union},
    time::{micros, timestamp},
};

/// Jobs promoted by one statement.
const BATCH: u64 = 500;
/// Statements of one call, so that other maintenance is not delayed for long.
const MAX_BATCHES: usize = 20;

impl JobQueue {
    /// Makes the scheduled and retrying jobs of all queues that are due at `now` claimable, the
    /// longest overdue first, and returns their number. Several workers may do so concurrently.
    pub async fn promote(&self, now: Timestamp) -> Result<u64, DbErr> {
        let mut promoted = 0;
        for _ in 0..MAX_BATCHES {
            let due = STATES.map(|state| select(state, job::Column::Id, Some(now), BATCH));
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
        let first = STATES.map(|state| select(state, job::Column::NextChangeAt, None, 1));
        let rows = self.read.query_all(&union(first.into_iter()).unwrap_or_default()).await?;
        let times = rows.iter().map(|row| row.try_get_by_index::<i64>(0));
        let times = times.collect::<Result<Vec<_>, _>>()?;
        Ok(times.into_iter().min().map(timestamp))
    }

    async fn set_ready(&self, ids: Vec<Uuid>, now: Timestamp) -> Result<u64, DbErr> {
        use job::Column as C;
        let promoted = job::Entity::update_many()
            .col_expr(C::State, Expr::value(state::READY))
            .filter(C::Id.is_in(ids))
            .filter(sql::state_in(STATES))
            // Another worker may have promoted, claimed and delayed the job again since.
            .filter(C::RunAt.lte(micros(now)))
            .exec(&self.write)
            .await?;
        Ok(promoted.rows_affected)
    }
}

const STATES: [&str; 2] = [state::SCHEDULED, state::RETRYING];

/// Selects the first jobs of a state in the order of an index.
fn select(state: &str, column: job::Column, due: Option<Timestamp>, limit: u64) -> SelectStatement {
    Query::select()
        .column(column)
        .from(job::Entity)
        .and_where(Expr::col(job::Column::State).eq(state))
        .and_where_option(due.map(|due| Expr::col(job::Column::NextChangeAt).lte(micros(due))))
        .order_by(job::Column::NextChangeAt, Order::Asc)
        .limit(limit)
        .to_owned()
}
