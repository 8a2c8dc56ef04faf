//! Claims jobs: a SELECT of the best ready ones, then an UPDATE that leases those still ready with the
//! fence that was read. The UPDATE alone decides. Only if it leased some but not all, a second SELECT
//! finds which.

mod candidates;

use std::time::Instant;

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use self::candidates::{COLUMNS, Candidate};
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
            let selected = self.within_limits(candidates);
            let best = selected.iter().take(slots);
            let rated = best.filter(|job| self.is_rated(&job.queue)).count();
            let claimable = self.reserve_for_claim(rated).await?;
            let mut selected = self.drop_rated_after(selected, claimable);
            selected.truncate(slots);
            let jobs = self.lease_selected(now, selected).await?;
            // If the rate has too few starts, another try would find none.
            if claimable < rated || !jobs.is_empty() {
                return Ok(jobs);
            }
        }
        Ok(Vec::new())
    }

    /// Drops the rated jobs after the first `max` ones.
    fn drop_rated_after(&self, mut jobs: Vec<Candidate>, max: usize) -> Vec<Candidate> {
        let mut rated = 0;
        jobs.retain(|job| {
            rated += usize::from(self.is_rated(&job.queue));
            !self.is_rated(&job.queue) || rated <= max
        });
        jobs
    }

    /// Leases the jobs that are still ready and have the same fence.
    async fn lease_selected(
        &self,
        now: Timestamp,
        mut jobs: Vec<Candidate>,
    ) -> Result<Vec<ClaimedJob>, DbErr> {
        let claimed_at = Instant::now();
        let leased = if jobs.is_empty() { 0 } else { self.lease(&jobs, now).await? };
        if leased == jobs.len() as u64 {
            for job in &mut jobs {
                job.fence += 1;
                job.attempts += 1;
            }
        } else if leased > 0 {
            jobs = self.read_claimed(&jobs).await?;
        } else {
            jobs.clear();
        }
        Ok(jobs.into_iter().map(|job| self.claimed_job(job, now, claimed_at)).collect())
    }

    async fn lease(&self, jobs: &[Candidate], now: Timestamp) -> Result<u64, DbErr> {
        use job::Column as C;
        let lease_until = lease_end(self.write.get_database_backend(), self.options.lease);
        let fences: Vec<_> = jobs.iter().map(|job| (job.id, job.fence)).collect();
        let leased = job::Entity::update_many()
            .col_expr(C::State, Expr::value(state::RUNNING))
            .col_expr(C::Fence, Expr::col(C::Fence).add(1))
            .col_expr(C::Attempts, Expr::col(C::Attempts).add(1))
            .col_expr(C::LockedBy, Expr::value(self.options.worker.as_str()))
            .col_expr(C::LeaseUntil, lease_until)
            .col_expr(C::StartedAt, Expr::value(micros(now)))
            .filter(sql::at_fence(&fences))
            .filter(sql::state_in([state::READY]))
            .exec(&self.write)
            .await?;
        Ok(leased.rows_affected)
    }

    /// Reads which of these jobs this worker has leased, and their fences.
    async fn read_claimed(&self, jobs: &[Candidate]) -> Result<Vec<Candidate>, DbErr> {
        let mut leased = job::Entity::find()
            .select_only()
            .columns(COLUMNS)
            .filter(job::Column::Id.is_in(jobs.iter().map(|job| job.id)))
            .filter(job::Column::LockedBy.eq(self.options.worker.as_str()))
            .filter(sql::state_in([state::RUNNING]))
            .into_model::<Candidate>()
            .all(&self.write)
            .await?;
        self.sort(&mut leased);
        Ok(leased)
    }

    fn claimed_job(&self, job: Candidate, now: Timestamp, claimed_at: Instant) -> ClaimedJob {
        let key = (job.id, job.fence);
        ClaimedJob {
            lease: self.leases.grant(key, &job.queue, claimed_at, self.options.lease),
            id: job.id,
            queue: job.queue,
            kind: job.kind,
            // Invalid JSON reaches the handler as a string, where decoding fails.
            args: serde_json::from_str(&job.args).unwrap_or(Value::String(job.args)),
            priority: job.priority,
            run_at: timestamp(job.run_at),
            number: u32::try_from(job.attempts).unwrap_or(1),
            max_attempts: u32::try_from(job.max_attempts).unwrap_or(1),
            fence: job.fence,
            created_at: timestamp(job.created_at),
            // As it is stored, in microseconds.
            started_at: timestamp(micros(now)),
        }
    }
}
