//! Claims jobs: a SELECT of the best ready ones, then an UPDATE that leases those still ready. The
//! UPDATE alone decides; without a rate, no lock or transaction spans the two.

mod candidates;

use std::time::Instant;

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, TransactionTrait,
    sea_query::{Expr, ExprTrait},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use self::candidates::Candidate;
use super::{job_queue::JobQueue, lease::JobLease};
use crate::{
    entity::{job, state},
    sql::{self, lease_end, micros, timestamp},
};

/// How often to try again when other workers claimed all candidates.
const MAX_TRIES: usize = 5;

/// A job that this worker has leased.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    pub id: Uuid,
    pub queue: String,
    /// Selects the handler.
    pub kind: String,
    /// The handler's input.
    pub args: Value,
    /// Jobs with a lower number are claimed first.
    pub priority: i16,
    /// When the job was due.
    pub run_at: Timestamp,
    /// Number of this attempt, starting at 1.
    pub number: u32,
    /// Number of attempts after which the job is dead.
    pub max_attempts: u32,
    /// Fencing token: higher than that of any earlier claim of the job.
    pub fence: i64,
    /// When the job was enqueued, by the enqueuer's clock.
    pub created_at: Timestamp,
    /// When the job was claimed, by the worker's clock.
    pub started_at: Timestamp,
    /// The right to process the job.
    pub lease: JobLease,
}

impl ClaimedJob {
    /// Returns whether all attempts are used up, because the last worker never reported. The job is
    /// delivered only so that its end can be recorded, and must not be processed.
    pub fn exhausted(&self) -> bool {
        self.number > self.max_attempts
    }

    /// Deserializes the arguments.
    ///
    /// # Errors
    ///
    /// Fails if the arguments are not of type `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.args)
    }
}

impl JobQueue {
    /// Claims up to `slots` ready jobs from all the worker's queues, ordered by priority, `run_at`
    /// and the order of the queues. Writes nothing if there are none.
    ///
    /// Skips queues that are [paused](crate::pause), [suspended](Self::suspend) or at their
    /// [limit](crate::Options::limits), and jobs for which the [`Rate`](crate::Rate) has no start.
    ///
    /// # Errors
    ///
    /// After an error that follows the UPDATE, jobs may stay leased; they are rescued when their
    /// lease ends.
    pub async fn claim(&self, now: Timestamp, slots: usize) -> Result<Vec<ClaimedJob>, DbErr> {
        if slots == 0 {
            return Ok(Vec::new());
        }
        let _claiming = self.claiming.lock().await;
        for attempt in 0..MAX_TRIES {
            let candidates = self.candidates(slots, attempt).await?;
            if candidates.is_empty() {
                break;
            }
            let jobs = if candidates.iter().any(|job| self.is_rated(&job.queue)) {
                self.claim_rated(now, &candidates, slots).await?
            } else {
                let ids = self.select(&candidates, slots, 0);
                Some(self.claim_by_id(&self.write, now, &ids).await?)
            };
            // `None` means that trying again is pointless until the rate has starts.
            if jobs.as_ref().is_none_or(|jobs| !jobs.is_empty()) {
                return Ok(jobs.unwrap_or_default());
            }
        }
        Ok(Vec::new())
    }

    async fn claim_by_id<C: ConnectionTrait>(
        &self,
        conn: &C,
        now: Timestamp,
        ids: &[Uuid],
    ) -> Result<Vec<ClaimedJob>, DbErr> {
        let claimed_at = Instant::now();
        if ids.is_empty() || self.lease(conn, ids, now).await? == 0 {
            return Ok(Vec::new());
        }
        self.read_claimed(conn, ids, claimed_at).await
    }

    /// Claims jobs and reserves a start for each rated one, in one transaction. Returns `None` if
    /// there are no starts and no job without a rate.
    async fn claim_rated(
        &self,
        now: Timestamp,
        candidates: &[Candidate],
        slots: usize,
    ) -> Result<Option<Vec<ClaimedJob>>, DbErr> {
        self.ensure_rate_row().await?;
        let transaction = self.write.begin().await?;
        let starts = self.lock_rate(&transaction).await?;
        let ids = self.select(candidates, slots, self.available_starts(starts.as_ref()));
        if ids.is_empty() {
            match starts {
                Some(starts) if starts.is_corrected => transaction.commit().await?,
                _ => transaction.rollback().await?,
            }
            return Ok(None);
        }
        let jobs = self.claim_by_id(&transaction, now, &ids).await?;
        if let Some(starts) = starts {
            let rated = jobs.iter().filter(|job| self.is_rated(&job.queue));
            let leases = rated.map(|job| job.lease.clone());
            self.assign_starts(&transaction, &starts, leases).await?;
        }
        transaction.commit().await?;
        Ok(Some(jobs))
    }

    async fn lease<C: ConnectionTrait>(
        &self,
        conn: &C,
        ids: &[Uuid],
        now: Timestamp,
    ) -> Result<u64, DbErr> {
        use job::Column as C;
        let lease_until = lease_end(self.write.get_database_backend(), self.options.lease);
        let leased = job::Entity::update_many()
            .col_expr(C::State, Expr::value(state::RUNNING))
            .col_expr(C::Fence, Expr::col(C::Fence).add(1))
            .col_expr(C::Attempts, Expr::col(C::Attempts).add(1))
            .col_expr(C::LockedBy, Expr::value(self.options.worker.as_str()))
            .col_expr(C::LeaseUntil, lease_until)
            .col_expr(C::StartedAt, Expr::value(micros(now)))
            .filter(C::Id.is_in(ids.iter().copied()))
            .filter(sql::state_in([state::READY]))
            .exec(conn)
            .await?;
        Ok(leased.rows_affected)
    }

    async fn read_claimed<C: ConnectionTrait>(
        &self,
        conn: &C,
        ids: &[Uuid],
        claimed_at: Instant,
    ) -> Result<Vec<ClaimedJob>, DbErr> {
        let rows = job::Entity::find()
            .filter(job::Column::Id.is_in(ids.iter().copied()))
            .filter(job::Column::LockedBy.eq(self.options.worker.as_str()))
            .filter(sql::state_in([state::RUNNING]))
            .all(conn)
            .await?;
        let mut jobs: Vec<_> = rows.into_iter().map(|row| self.claimed(row, claimed_at)).collect();
        jobs.sort_by_key(|job| (job.priority, job.run_at, self.queue_rank(&job.queue), job.id));
        Ok(jobs)
    }

    fn claimed(&self, row: job::Model, claimed_at: Instant) -> ClaimedJob {
        let key = (row.id, row.fence);
        ClaimedJob {
            lease: self.leases.grant(key, &row.queue, claimed_at, self.options.lease),
            id: row.id,
            queue: row.queue,
            kind: row.kind,
            // Invalid JSON reaches the handler as a string, where decoding fails.
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
