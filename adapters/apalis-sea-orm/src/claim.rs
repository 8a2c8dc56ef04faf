//! Taking jobs: a plain read of the best ready ones, then an UPDATE that takes those still ready.
//! The UPDATE is the claim; no lock is held between the two, and no transaction is open.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Instant,
};

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    sea_query::{Alias, Asterisk, Expr, ExprTrait, Order, Query, SelectStatement, UnionType},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Lease, Queue,
    entity::{job, state},
    guard,
    time::{lease_end, micros, timestamp},
};

/// How often to try again when others took everything that was picked.
const TRIES: usize = 5;

/// A job that this worker holds.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// As it was enqueued.
    pub id: Uuid,
    /// The queue it was in.
    pub queue: String,
    /// What kind of work it is.
    pub kind: String,
    /// What the work needs to know.
    pub args: Value,
    /// Lower goes first.
    pub priority: i16,
    /// When it was to run.
    pub run_at: Timestamp,
    /// Of this attempt, from 1.
    pub number: u32,
    /// How often it may fail before it is dead.
    pub max_attempts: u32,
    /// Higher than any this job had before.
    pub fence: i64,
    /// When it was enqueued, by the enqueuer's clock.
    pub created_at: Timestamp,
    /// When it was claimed, by the caller's clock.
    pub started_at: Timestamp,
    /// The right to perform it.
    pub lease: Lease,
}

impl Claimed {
    /// Whether its attempts are used up: its last worker never reported. It is handed out only so
    /// that its end can be recorded, and must not be performed.
    pub fn exhausted(&self) -> bool {
        self.number > self.max_attempts
    }

    /// The arguments as the type they were written from.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.args)
    }
}

#[derive(Debug, FromQueryResult)]
struct Candidate {
    id: Uuid,
    queue: String,
    priority: i16,
    run_at: i64,
}

impl Queue {
    /// Claims up to so many of the best ready jobs of all the queues, best first: by priority,
    /// then `run_at`, then the order of the queues. When there are none, nothing is written.
    ///
    /// An error after the claim itself was sent leaves jobs leased to nobody; they are rescued
    /// when their lease ends.
    pub async fn claim(&self, now: Timestamp, slots: usize) -> Result<Vec<Claimed>, DbErr> {
        if slots == 0 || self.options.queues.is_empty() {
            return Ok(Vec::new());
        }
        let _alone = self.claiming.lock().await;
        for trial in 0..TRIES {
            let ids = self.pick(slots, trial).await?;
            if ids.is_empty() {
                break;
            }
            let since = Instant::now();
            if self.take(&ids, now).await? > 0 {
                return self.read_back(&ids, since).await;
            }
        }
        Ok(Vec::new())
    }

    /// The ids of the best jobs. After a trial that got nothing, of some among the best: workers
    /// that lost the same race would otherwise run it again.
    async fn pick(&self, slots: usize, trial: usize) -> Result<Vec<Uuid>, DbErr> {
        let window = if trial == 0 { slots } else { slots * 4 };
        let best = self.read.query_all(&self.best(window as u64)).await?;
        let candidates = best.iter().map(|row| Candidate::from_query_result(row, ""));
        let mut candidates = candidates.collect::<Result<Vec<_>, _>>()?;
        candidates.sort_by_key(|c| (c.priority, c.run_at, self.rank(&c.queue), c.id));
        let spare = candidates.len().min(window).saturating_sub(slots);
        let skipped = if spare == 0 { 0 } else { self.lot(trial) % (spare + 1) };
        Ok(candidates.iter().skip(skipped).take(slots).map(|c| c.id).collect())
    }

    /// One read for all the queues. Each part is served by the index, in its order.
    fn best(&self, window: u64) -> SelectStatement {
        let mut parts = self.options.queues.iter().map(|queue| part(ready(queue, window)));
        let mut all = parts.next().unwrap_or_default();
        all.unions(parts.map(|part| (UnionType::All, part)));
        all
    }

    async fn take(&self, ids: &[Uuid], now: Timestamp) -> Result<u64, DbErr> {
        use job::Column as C;
        let lease_until = lease_end(self.write.get_database_backend(), self.options.lease);
        let taken = job::Entity::update_many()
            .col_expr(C::State, Expr::value(state::RUNNING))
            .col_expr(C::Fence, Expr::col(C::Fence).add(1))
            .col_expr(C::Attempts, Expr::col(C::Attempts).add(1))
            .col_expr(C::LockedBy, Expr::value(self.options.worker.as_str()))
            .col_expr(C::LeaseUntil, lease_until)
            .col_expr(C::StartedAt, Expr::value(micros(now)))
            .filter(C::Id.is_in(ids.iter().copied()))
            .filter(guard::is_in([state::READY]))
            .exec(&self.write)
            .await?;
        Ok(taken.rows_affected)
    }

    async fn read_back(&self, ids: &[Uuid], since: Instant) -> Result<Vec<Claimed>, DbErr> {
        let rows = job::Entity::find()
            .filter(job::Column::Id.is_in(ids.iter().copied()))
            .filter(job::Column::LockedBy.eq(self.options.worker.as_str()))
            .filter(guard::is_in([state::RUNNING]))
            .all(&self.write)
            .await?;
        let mut jobs: Vec<_> = rows.into_iter().map(|row| self.claimed(row, since)).collect();
        jobs.sort_by_key(|job| (job.priority, job.run_at, self.rank(&job.queue), job.id));
        Ok(jobs)
    }

    fn claimed(&self, row: job::Model, since: Instant) -> Claimed {
        Claimed {
            lease: self.leases.grant(row.id, row.fence, since, self.options.lease),
            id: row.id,
            queue: row.queue,
            kind: row.kind,
            // Whatever was put there by hand reaches the handler, whose decoding then fails.
            args: serde_json::from_str(&row.args).unwrap_or(Value::String(row.args)),
            priority: row.priority,
            run_at: timestamp(row.run_at),
            number: u32::try_from(row.attempts).unwrap_or(1),
            max_attempts: u32::try_from(row.max_attempts).unwrap_or(1),
            fence: row.fence,
            created_at: timestamp(row.created_at),
            started_at: timestamp(row.started_at.unwrap_or(row.run_at)),
        }
    }

    fn rank(&self, queue: &str) -> usize {
        self.options.queues.iter().position(|name| name == queue).unwrap_or(usize::MAX)
    }

    /// A number that differs from worker to worker and from trial to trial.
    fn lot(&self, trial: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        (&self.options.worker, trial).hash(&mut hasher);
        usize::try_from(hasher.finish() % 1_000_003).unwrap_or(0)
    }
}

/// A queue's best ready jobs.
fn ready(queue: &str, window: u64) -> SelectStatement {
    use job::Column as C;
    Query::select()
        .columns([C::Id, C::Queue, C::Priority, C::RunAt])
        .from(job::Entity)
        .and_where(Expr::col(C::Queue).eq(queue))
        .and_where(Expr::col(C::State).eq(state::READY))
        .order_by(C::Priority, Order::Asc)
        .order_by(C::RunAt, Order::Asc)
        .order_by(C::Id, Order::Asc)
        .limit(window)
        .to_owned()
}

/// Wrapped, because SQLite takes no LIMIT in a part of a UNION.
fn part(select: SelectStatement) -> SelectStatement {
    Query::select().column(Asterisk).from_subquery(select, Alias::new("best")).to_owned()
}
