//! A rate that all workers share. One row holds the first start that is not yet assigned. A claim
//! advances it by the number of jobs it takes, by the database's clock, and each job waits for the
//! start it was assigned.

mod row;
pub(crate) mod start_times;

use std::time::{Duration, Instant};

use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DbErr, EntityTrait, QueryFilter, TransactionSession, TransactionTrait,
    sea_query::{Expr, ExprTrait},
};

use tokio::sync::oneshot;

pub use self::row::MAX_HOLD;
use self::{
    row::Row,
    start_times::{MissedStart, StartTimes},
};
use super::{
    claim::ClaimedJob,
    enqueue::is_unique_violation,
    job_queue::JobQueue,
    lease::{JobLease, lock},
};
use crate::{entity::rate, sql::duration_micros};

/// A job that would start later than its assigned time by more than this is assigned another time.
/// Otherwise a process that was stopped and then starts all its jobs together would break the rate,
/// together with starts that others were assigned since. Starts compressed by less than this
/// still keep the rate, because one second plus this is less than `MARGIN` seconds.
const MAX_LATENESS: Duration = Duration::from_millis(40);

/// How often a job that misses its start is assigned another.
const MAX_REASSIGNMENTS: usize = 5;
/// How long a handler waits for a reassigned start, if the rate has more than one in that time.
const MAX_WAIT: Duration = Duration::from_secs(1);

impl JobQueue {
    /// Changes the rate at which this worker assigns starts, for example to ramp up after an
    /// outage. Other workers keep theirs until this is called on each of them.
    pub fn set_rate(&self, per_second: f64) {
        self.local_rate.set(per_second);
        self.leases.notify();
    }

    pub(crate) fn is_rated(&self, queue: &str) -> bool {
        let rate = self.options.rate.as_ref();
        rate.is_some_and(|rate| rate.queues.iter().any(|name| name == queue))
    }

    /// Locks the rate's row and returns the starts that can be assigned. Returns `None` if there is
    /// no rate, no row yet, or a rate of zero.
    pub(crate) async fn lock_rate<C: ConnectionTrait>(
        &self,
        transaction: &C,
    ) -> Result<Option<StartTimes>, DbErr> {
        let (Some(rate), Some(interval)) = (&self.options.rate, self.local_rate.interval()) else {
            return Ok(None);
        };
        row::lock(transaction, &rate.name).await?;
        // The statement that waits for the lock can't return the time: MySQL's is from before the
        // wait, SQLite's from after it.
        let read_at = Instant::now();
        let row = row::read(transaction, &rate.name).await?;
        self.local_rate.set_row_exists(row.is_some());
        let Some(row) = row else { return Ok(None) };
        let corrected = row.corrected(interval);
        let is_corrected = corrected != row;
        if is_corrected {
            tracing::warn!(rate = %rate.name, "rate corrected: a clock that was ahead had advanced it");
            row::write(transaction, &rate.name, &corrected).await?;
        }
        let Row { next_free, now, .. } = corrected;
        let next_free = Ord::max(next_free, now);
        Ok(Some(StartTimes { read_at, now, next_free, interval, is_corrected }))
    }

    /// Returns how many starts a claim may take. If it is none, claims wait until there are some.
    pub(crate) fn available_starts(&self, starts: Option<&StartTimes>) -> usize {
        let Some(starts) = starts else {
            self.local_rate.block(Some(Instant::now() + self.options.poll));
            return 0;
        };
        self.local_rate.block(starts.blocked_until(0));
        starts.available()
    }

    /// Assigns starts to these jobs, in order, and advances the row.
    pub(crate) async fn assign_starts<C: ConnectionTrait>(
        &self,
        transaction: &C,
        starts: &StartTimes,
        jobs: impl Iterator<Item = JobLease>,
    ) -> Result<(), DbErr> {
        let mut assigned = 0;
        for lease in jobs {
            lease.set_start(starts.at(assigned));
            assigned += 1;
        }
        let Some(rate) = self.options.rate.as_ref().filter(|_| assigned > 0) else {
            return Ok(());
        };
        let length = i64::try_from(assigned).unwrap_or(i64::MAX).saturating_mul(starts.interval);
        self.local_rate.block(starts.blocked_until(length));
        let next_free = starts.next_free.saturating_add(length);
        rate::Entity::update_many()
            .col_expr(rate::Column::NextFree, Expr::value(next_free))
            .col_expr(rate::Column::SeenAt, Expr::value(starts.now))
            .filter(Expr::col(rate::Column::Name).eq(rate.name.as_str()))
            .exec(transaction)
            .await?;
        Ok(())
    }

    /// Assigns another start to a job that missed its own. Concurrent callers share a transaction.
    /// Returns `false` if there is no start soon.
    async fn reassign_start(&self, job: &ClaimedJob) -> Result<bool, DbErr> {
        let (sender, mut assigned) = oneshot::channel();
        lock(&self.missed_starts).push((job.lease.downgrade(), sender));
        tokio::select! {
            biased;
            assigned = &mut assigned => return Ok(assigned.unwrap_or(false)),
            _turn = self.reassigning.lock() => {
                let missed = std::mem::take(&mut *lock(&self.missed_starts));
                self.reassign_starts(missed).await?;
            }
        }
        Ok(assigned.await.unwrap_or(false))
    }

    async fn reassign_starts(&self, mut missed: Vec<MissedStart>) -> Result<(), DbErr> {
        let transaction = self.write.begin().await?;
        let starts = self.lock_rate(&transaction).await?;
        missed.truncate(starts.map_or(0, |starts| starts.within(MAX_WAIT)));
        if let Some(starts) = &starts {
            let leases = missed.iter().filter_map(|(lease, _)| lease.upgrade()).map(JobLease);
            self.assign_starts(&transaction, starts, leases).await?;
        }
        transaction.commit().await?;
        for (_, sender) in missed {
            // The job may have timed out.
            let _ = sender.send(true);
        }
        Ok(())
    }

    /// Waits for the start of a job whose queue has a [`Rate`](crate::Rate). Call it immediately
    /// before the work that the rate limits: jobs are delivered up to 0.2 seconds before their
    /// start, so that their handlers can prepare. A job that has missed its start is assigned
    /// another.
    ///
    /// Returns whether the work may begin. It may not if no start is available soon (within a
    /// second, or two starts of a slow rate) or the database cannot be asked for one; snooze the
    /// job then.
    pub async fn wait_for_start(&self, job: &ClaimedJob) -> bool {
        for _ in 0..MAX_REASSIGNMENTS {
            let Some(start) = job.start_at() else { return true };
            tokio::time::sleep_until(start.into()).await;
            if start.elapsed() <= MAX_LATENESS {
                return true;
            }
            match self.reassign_start(job).await {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => {
                    tracing::debug!(%error, job = %job.id, "no start could be assigned");
                    return false;
                }
            }
        }
        false
    }

    /// Creates the rate's row if this worker does not know that it exists. Must not be called in a
    /// transaction.
    pub(crate) async fn ensure_rate_row(&self) -> Result<(), DbErr> {
        let Some(rate) = &self.options.rate else { return Ok(()) };
        if !self.local_rate.row_exists() {
            ensure_row(&self.write, &rate.name).await?;
            self.local_rate.set_row_exists(true);
        }
        Ok(())
    }
}

impl ClaimedJob {
    /// The assigned start, if the job's queue has a [`Rate`](crate::Rate).
    pub fn start_at(&self) -> Option<Instant> {
        self.lease.start_at()
    }
}

/// Assigns no further starts of a rate for `length`, at most [`MAX_HOLD`], for example after a 429
/// response with `Retry-After`. Jobs that have a start already may still begin: within 0.2 seconds
/// or, if they missed it, one second.
pub async fn hold_rate<C>(conn: &C, name: &str, length: Duration) -> Result<(), DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    ensure_row(conn, name).await?;
    let length = duration_micros(length.min(MAX_HOLD));
    let transaction = conn.begin().await?;
    row::lock(&transaction, name).await?;
    let Some(row) = row::read(&transaction, name).await? else {
        transaction.rollback().await?;
        return Err(DbErr::RecordNotFound(format!("the rate {name}")));
    };
    let row = row.corrected(0);
    let end = row.now.saturating_add(length);
    let (next_free, held_until) = (Ord::max(row.next_free, end), Ord::max(row.held_until, end));
    row::write(&transaction, name, &Row { next_free, held_until, ..row }).await?;
    transaction.commit().await
}

/// Returns the remaining length of a rate's [hold](hold_rate), by the database's clock, or `None` if
/// it is not held.
pub async fn rate_hold<C: ConnectionTrait>(
    conn: &C,
    name: &str,
) -> Result<Option<Duration>, DbErr> {
    let Some(row) = row::read(conn, name).await? else { return Ok(None) };
    let row = row.corrected(0);
    let left = u64::try_from(row.held_until - row.now).ok().filter(|left| *left > 0);
    Ok(left.map(Duration::from_micros))
}

async fn ensure_row<C: ConnectionTrait>(conn: &C, name: &str) -> Result<(), DbErr> {
    if rate::Entity::find_by_id(name).one(conn).await?.is_some() {
        return Ok(());
    }
    let row = rate::ActiveModel {
        name: Set(name.to_owned()),
        next_free: Set(0),
        held_until: Set(0),
        seen_at: Set(0),
    };
    match rate::Entity::insert(row).exec_without_returning(conn).await {
        Err(error) if !is_unique_violation(&error) => Err(error),
        _ => Ok(()),
    }
}
