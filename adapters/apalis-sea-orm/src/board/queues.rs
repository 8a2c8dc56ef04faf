//! Queues and workers as they stand.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    sea_query::{Expr, ExprTrait, Query},
};

use crate::{
    entity::{job, queue, state, worker},
    time::{database_now, timestamp},
};

/// A queue as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// The queue.
    pub name: String,
    /// How many jobs are in each state, but `done` and `cancelled`, which are too many to count:
    /// [`minutes`](super::minutes) tells what ended when.
    pub counts: BTreeMap<String, u64>,
    /// For how long the ready job that was due first has waited.
    pub oldest_ready: Option<Duration>,
    /// Set if it is paused.
    pub pause: Option<Pause>,
}

/// A queue's pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub at: Timestamp,
    /// Who paused it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// A worker as it last reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerState {
    /// What it said.
    pub worker: worker::Model,
    /// How long ago, by the database's clock. It reports every five seconds.
    pub silent: Duration,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    queue: String,
    state: String,
    jobs: i64,
    first: Option<i64>,
}

/// Every queue that holds jobs which have not ended, or dead ones, or that is paused; by name.
/// One read of the claim's index, and one of the pauses.
pub async fn queues<C: ConnectionTrait>(
    conn: &C,
    now: Timestamp,
) -> Result<Vec<QueueState>, DbErr> {
    let mut queues = BTreeMap::<String, QueueState>::new();
    for row in rows(conn).await? {
        let queue = queues.entry(row.queue).or_default();
        if row.state == state::READY {
            let since = row.first.map(|first| now.duration_since(timestamp(first)));
            queue.oldest_ready = since.map(|since| since.try_into().unwrap_or(Duration::ZERO));
        }
        queue.counts.insert(row.state, u64::try_from(row.jobs).unwrap_or(0));
    }
    for (name, pause) in pauses(conn).await? {
        queues.entry(name).or_default().pause = Some(pause);
    }
    let named = queues.into_iter().map(|(name, queue)| QueueState { name, ..queue });
    Ok(named.collect())
}

/// How many jobs of each queue are in each state, but `done` and `cancelled`.
pub async fn counts<C: ConnectionTrait>(conn: &C) -> Result<Vec<(String, String, u64)>, DbErr> {
    let rows = rows(conn).await?.into_iter();
    Ok(rows.map(|row| (row.queue, row.state, u64::try_from(row.jobs).unwrap_or(0))).collect())
}

async fn rows<C: ConnectionTrait>(conn: &C) -> Result<Vec<Row>, DbErr> {
    use job::Column as C;
    use state::{DEAD, HELD, READY, RETRYING, RUNNING, SCHEDULED};
    let counts = Query::select()
        .columns([C::State, C::Queue])
        .expr_as(Expr::col(C::Id).count(), "jobs")
        .expr_as(Expr::col(C::RunAt).min(), "first")
        .from(job::Entity)
        .and_where(Expr::col(C::State).is_in([SCHEDULED, READY, RUNNING, RETRYING, HELD, DEAD]))
        .group_by_columns([C::State, C::Queue])
        .to_owned();
    let rows = conn.query_all(&counts).await?;
    rows.iter().map(|row| Row::from_query_result(row, "")).collect()
}

/// The queues that are paused.
pub async fn pauses<C: ConnectionTrait>(conn: &C) -> Result<Vec<(String, Pause)>, DbErr> {
    let paused = queue::Entity::find().filter(queue::Column::PausedAt.is_not_null());
    let rows = paused.order_by_asc(queue::Column::Name).all(conn).await?;
    let pause = |row: queue::Model| {
        let at = timestamp(row.paused_at.unwrap_or(0));
        (row.name, Pause { at, by: row.paused_by, reason: row.reason })
    };
    Ok(rows.into_iter().map(pause).collect())
}

/// The workers that were seen in the last quarter of an hour or so, and did not sign off.
pub async fn workers<C: ConnectionTrait>(conn: &C) -> Result<Vec<WorkerState>, DbErr> {
    let now = Query::select().expr(database_now(conn.get_database_backend())).to_owned();
    let now = match conn.query_one(&now).await? {
        Some(row) => row.try_get_by_index::<i64>(0)?,
        None => 0,
    };
    let workers = worker::Entity::find().order_by_asc(worker::Column::Id).all(conn).await?;
    let state = |worker: worker::Model| {
        // One that was seen in the future reported before the clock was set back.
        let silent = Duration::from_micros(now.abs_diff(worker.seen_at));
        WorkerState { worker, silent }
    };
    Ok(workers.into_iter().map(state).collect())
}
