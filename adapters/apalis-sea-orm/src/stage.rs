//! Promoting jobs whose time has come. Only `ready` rows are claimable: with waiting ones in the
//! claim's index range, a hundred thousand future jobs of better priority made it fifty times
//! slower.

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, Order, Query, SelectStatement},
};
use uuid::Uuid;

use crate::{
    Queue,
    entity::{job, state},
    filter::union,
    guard,
    time::{micros, timestamp},
};

/// Jobs promoted by one statement.
const BATCH: u64 = 500;
/// Statements of one call, so that the caller's other duties are not kept waiting.
const BATCHES: usize = 20;

impl Queue {
    /// Makes the scheduled and retrying jobs of every queue that are due by that time claimable,
    /// the longest due first, and tells how many. Any number of workers may do so at once.
    pub async fn stage(&self, now: Timestamp) -> Result<u64, DbErr> {
        let mut staged = 0;
        for _ in 0..BATCHES {
            let due = self.due(now).await?;
            if due.is_empty() {
                break;
            }
            let full = due.len() as u64 >= BATCH;
            staged += self.promote(due, now).await?;
            if !full {
                break;
            }
        }
        Ok(staged)
    }

    /// When the next scheduled or retrying job of any queue is due.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, DbErr> {
        use job::Column as C;
        let rows = self.read.query_all(&waiting(C::TurnAt, None, 1)).await?;
        let times = rows.iter().map(|row| row.try_get_by_index::<i64>(0));
        let times = times.collect::<Result<Vec<_>, _>>()?;
        Ok(times.into_iter().min().map(timestamp))
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<Uuid>, DbErr> {
        let due = waiting(job::Column::Id, Some(micros(now)), BATCH);
        let rows = self.read.query_all(&due).await?;
        rows.iter().map(|row| row.try_get_by_index::<Uuid>(0)).collect()
    }

    async fn promote(&self, ids: Vec<Uuid>, now: Timestamp) -> Result<u64, DbErr> {
        use job::Column as C;
        let promoted = job::Entity::update_many()
            .col_expr(C::State, Expr::value(state::READY))
            .filter(C::Id.is_in(ids))
            .filter(guard::is_in([state::SCHEDULED, state::RETRYING]))
            // Another worker may have staged, claimed and put it off again meanwhile.
            .filter(C::RunAt.lte(micros(now)))
            .exec(&self.write)
            .await?;
        Ok(promoted.rows_affected)
    }
}

/// The first of the scheduled and the first of the retrying jobs, each by the index.
fn waiting(column: job::Column, until: Option<i64>, limit: u64) -> SelectStatement {
    let first = |state: &str| {
        Query::select()
            .column(column)
            .from(job::Entity)
            .and_where(Expr::col(job::Column::State).eq(state))
            .and_where_option(until.map(|until| Expr::col(job::Column::TurnAt).lte(until)))
            .order_by(job::Column::TurnAt, Order::Asc)
            .limit(limit)
            .to_owned()
    };
    union([state::SCHEDULED, state::RETRYING].into_iter().map(first)).unwrap_or_default()
}
