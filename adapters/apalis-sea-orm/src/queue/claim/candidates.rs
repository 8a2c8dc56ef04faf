//! Selects the jobs to claim: the best ready ones of the queues that have room.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use sea_orm::{
    ConnectionTrait, DbErr, FromQueryResult,
    sea_query::{Expr, ExprTrait, Order, Query, SelectStatement},
};
use uuid::Uuid;

use crate::{
    entity::{job, queue, state},
    queue::job_queue::JobQueue,
    sql::union,
};

/// The columns of a job that a claim reads.
#[derive(Debug, FromQueryResult)]
pub(super) struct Candidate {
    pub(super) id: Uuid,
    pub(super) queue: String,
    pub(super) kind: String,
    pub(super) args: String,
    pub(super) priority: i16,
    pub(super) run_at: i64,
    pub(super) attempts: i32,
    pub(super) max_attempts: i32,
    pub(super) fence: i64,
    pub(super) created_at: i64,
}

/// The columns of a [`Candidate`].
pub(super) const COLUMNS: [job::Column; 10] = {
    use job::Column as C;
    [
        C::Id,
        C::Queue,
        C::Kind,
        C::Args,
        C::Priority,
        C::RunAt,
        C::Attempts,
        C::MaxAttempts,
        C::Fence,
        C::CreatedAt,
    ]
};

impl JobQueue {
    /// Returns the best jobs, best first. From the second attempt on, skips a number of them that
    /// depends on the worker, because workers that competed for the same jobs would do so again.
    pub(super) async fn candidates(
        &self,
        slots: usize,
        attempt: usize,
    ) -> Result<Vec<Candidate>, DbErr> {
        let window = if attempt == 0 { slots } else { slots * 4 };
        let Some(select) = self.select_best(window) else { return Ok(Vec::new()) };
        let rows = self.read.query_all(&select).await?;
        let candidates = rows.iter().map(|row| Candidate::from_query_result(row, ""));
        let mut candidates = candidates.collect::<Result<Vec<_>, _>>()?;
        self.sort(&mut candidates);
        let spare = candidates.len().min(window).saturating_sub(slots);
        let skipped = if spare == 0 { 0 } else { self.worker_hash(attempt) % (spare + 1) };
        Ok(candidates.split_off(skipped))
    }

    /// One SELECT for all queues. An index serves each part in its order.
    fn select_best(&self, window: usize) -> Option<SelectStatement> {
        let is_rate_blocked = self.is_rate_blocked();
        let parts = self.options.queues.iter().filter_map(|queue| {
            let room = self.room(queue).min(window);
            let is_closed = self.is_suspended(queue) || (is_rate_blocked && self.is_rated(queue));
            (room > 0 && !is_closed).then(|| select_ready(queue, room as u64))
        });
        union(parts)
    }

    /// Returns how many more jobs of the queue this worker may hold.
    fn room(&self, queue: &str) -> usize {
        self.limit_of(queue).map_or(usize::MAX, |index| {
            let limit = &self.options.limits[index];
            (limit.jobs + self.slots.ahead())
                .saturating_sub(self.leases.unfinished_of(&limit.queues))
        })
    }

    /// Returns the index of the limit that a queue belongs to.
    pub(in crate::queue) fn limit_of(&self, queue: &str) -> Option<usize> {
        self.options.limits.iter().position(|limit| limit.queues.iter().any(|name| name == queue))
    }

    /// Drops the jobs that exceed a limit of their queues.
    pub(super) fn within_limits(&self, mut jobs: Vec<Candidate>) -> Vec<Candidate> {
        let mut rooms: HashMap<Option<usize>, usize> = HashMap::new();
        jobs.retain(|job| {
            let limit = self.limit_of(&job.queue);
            let room = rooms.entry(limit).or_insert_with(|| self.room(&job.queue));
            let has_room = *room > 0;
            *room -= usize::from(has_room);
            has_room
        });
        jobs
    }

    /// Sorts jobs, best first.
    pub(super) fn sort(&self, jobs: &mut [Candidate]) {
        jobs.sort_by_key(|job| self.rank(job));
    }

    fn rank(&self, job: &Candidate) -> (i16, i64, usize, Uuid) {
        (job.priority, job.run_at, self.queue_rank(&job.queue), job.id)
    }

    fn queue_rank(&self, queue: &str) -> usize {
        self.options.queues.iter().position(|name| name == queue).unwrap_or(usize::MAX)
    }

    fn worker_hash(&self, attempt: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        (&self.options.worker, attempt).hash(&mut hasher);
        usize::try_from(hasher.finish() % 1_000_003).unwrap_or(0)
    }
}

fn select_ready(queue: &str, window: u64) -> SelectStatement {
    use job::Column as C;
    Query::select()
        .columns(COLUMNS)
        .from(job::Entity)
        .and_where(Expr::col(C::Queue).eq(queue))
        .and_where(Expr::col(C::State).eq(state::READY))
        .and_where(is_not_paused(queue))
        .order_by(C::Priority, Order::Asc)
        .order_by(C::RunAt, Order::Asc)
        .order_by(C::Id, Order::Asc)
        .limit(window)
        .to_owned()
}

/// Evaluated once for each statement, not for each row.
fn is_not_paused(name: &str) -> Expr {
    let paused = Query::select()
        .expr(Expr::value(1))
        .from(queue::Entity)
        .and_where(Expr::col(queue::Column::Name).eq(name))
        .and_where(Expr::col(queue::Column::PausedAt).is_not_null())
        .to_owned();
    Expr::not_exists(paused)
}
