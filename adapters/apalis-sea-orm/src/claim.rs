//! Taking jobs: a plain read of the best ready ones, then an UPDATE that takes those still ready.
//! The UPDATE is the claim; no lock is held between the two, and no transaction is open.

use std::time::Instant;

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, TransactionTrait,
    sea_query::{Expr, ExprTrait},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use self::pick::Candidate;
use crate::{
    Lease, Queue,
    entity::{job, state},
    guard,
    time::{lease_end, micros, timestamp},
};

mod pick;

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

impl Queue {
    /// Claims up to so many of the best ready jobs of all the queues, best first: by priority,
    /// then `run_at`, then the order of the queues. When there are none, nothing is written.
    ///
    /// It leaves out queues that are paused, [held](Queue::hold) or full
    /// ([`Options::limits`](crate::Options::limits)), and jobs for which the
    /// [`Rate`](crate::Rate) has no start.
    ///
    /// An error after the claim itself was sent leaves jobs leased to nobody; they are rescued
    /// when their lease ends.
    pub async fn claim(&self, now: Timestamp, slots: usize) -> Result<Vec<Claimed>, DbErr> {
        if slots == 0 {
            return Ok(Vec::new());
        }
        let _alone = self.claiming.lock().await;
        for trial in 0..TRIES {
            let best = self.pick(slots, trial).await?;
            if best.is_empty() {
                break;
            }
            let jobs = if best.iter().any(|job| self.is_rated(&job.queue)) {
                self.claim_rated(now, &best, slots).await?
            } else {
                let ids = self.choose(&best, slots, 0);
                Some(self.claim_these(&self.write, now, &ids).await?)
            };
            // None are to be had, or some were.
            if jobs.as_ref().is_none_or(|jobs| !jobs.is_empty()) {
                return Ok(jobs.unwrap_or_default());
            }
        }
        Ok(Vec::new())
    }

    async fn claim_these<C: ConnectionTrait>(
        &self,
        conn: &C,
        now: Timestamp,
        ids: &[Uuid],
    ) -> Result<Vec<Claimed>, DbErr> {
        let since = Instant::now();
        if ids.is_empty() || self.take(conn, ids, now).await? == 0 {
            return Ok(Vec::new());
        }
        self.read_back(conn, ids, since).await
    }

    /// With as many starts as there are jobs, in one transaction: none if there are no starts,
    /// and nothing else to do.
    async fn claim_rated(
        &self,
        now: Timestamp,
        best: &[Candidate],
        slots: usize,
    ) -> Result<Option<Vec<Claimed>>, DbErr> {
        self.keep_rate().await?;
        let transaction = self.write.begin().await?;
        let starts = self.starts(&transaction).await?;
        let ids = self.choose(best, slots, self.offer(starts.as_ref()));
        if ids.is_empty() {
            match starts {
                Some(starts) if starts.is_corrected => transaction.commit().await?,
                _ => transaction.rollback().await?,
            }
            return Ok(None);
        }
        let jobs = self.claim_these(&transaction, now, &ids).await?;
        if let Some(starts) = starts {
            let rated = jobs.iter().filter(|job| self.is_rated(&job.queue));
            self.give_starts(&transaction, &starts, rated).await?;
        }
        transaction.commit().await?;
        Ok(Some(jobs))
    }

    async fn take<C: ConnectionTrait>(
        &self,
        conn: &C,
        ids: &[Uuid],
        now: Timestamp,
    ) -> Result<u64, DbErr> {
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
            .exec(conn)
            .await?;
        Ok(taken.rows_affected)
    }

    async fn read_back<C: ConnectionTrait>(
        &self,
        conn: &C,
        ids: &[Uuid],
        since: Instant,
    ) -> Result<Vec<Claimed>, DbErr> {
        let rows = job::Entity::find()
            .filter(job::Column::Id.is_in(ids.iter().copied()))
            .filter(job::Column::LockedBy.eq(self.options.worker.as_str()))
            .filter(guard::is_in([state::RUNNING]))
            .all(conn)
            .await?;
        let mut jobs: Vec<_> = rows.into_iter().map(|row| self.claimed(row, since)).collect();
        jobs.sort_by_key(|job| (job.priority, job.run_at, self.rank(&job.queue), job.id));
        Ok(jobs)
    }

    fn claimed(&self, row: job::Model, since: Instant) -> Claimed {
        Claimed {
            lease: self.leases.grant((row.id, row.fence), &row.queue, since, self.options.lease),
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
}
