//! Current state of queues and workers.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    sea_query::{Expr, ExprTrait, Query},
};

use crate::{
    entity::{job, queue, state, worker},
    sql::{database_now, timestamp},
};

/// The current state of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    pub name: String,
    /// Number of jobs in each state, except `done` and `cancelled`, which are too many to count;
    /// [`minutes`](super::minutes) returns how many ended when.
    pub counts: BTreeMap<String, u64>,
    /// How long the earliest due ready job has waited.
    pub oldest_ready: Option<Duration>,
    pub pause: Option<Pause>,
}

/// A queue's pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub at: Timestamp,
    pub by: Option<String>,
    pub reason: Option<String>,
}

/// A worker's latest report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerState {
    pub worker: worker::Model,
    /// Age of the report, by the database's clock. Workers report every five seconds.
    pub silent: Duration,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    queue: String,
    state: String,
    jobs: i64,
    first: Option<i64>,
}

/// Returns every queue that is paused or has jobs that are dead or have not ended, by name.
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

/// Returns the paused queues.
pub async fn pauses<C: ConnectionTrait>(conn: &C) -> Result<Vec<(String, Pause)>, DbErr> {
    let paused = queue::Entity::find().filter(queue::Column::PausedAt.is_not_null());
    let rows = paused.order_by_asc(queue::Column::Name).all(conn).await?;
    let pause = |row: queue::Model| {
        let at = timestamp(row.paused_at.unwrap_or(0));
        (row.name, Pause { at, by: row.paused_by, reason: row.reason })
    };
    Ok(rows.into_iter().map(pause).collect())
}

/// Returns the workers that reported within about 15 minutes and have not deregistered.
pub async fn workers<C: ConnectionTrait>(conn: &C) -> Result<Vec<WorkerState>, DbErr> {
    let now = Query::select().expr(database_now(conn.get_database_backend())).to_owned();
    let now = match conn.query_one(&now).await? {
        Some(row) => row.try_get_by_index::<i64>(0)?,
        None => 0,
    };
    let workers = worker::Entity::find().order_by_asc(worker::Column::Id).all(conn).await?;
    let state = |worker: worker::Model| {
        // A time in the future was reported before the clock was set back.
        let silent = Duration::from_micros(now.abs_diff(worker.seen_at));
        WorkerState { worker, silent }
    };
    Ok(workers.into_iter().map(state).collect())
}
