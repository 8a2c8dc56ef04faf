//! A rate that all workers share. One row holds the first start that is not yet reserved. A worker
//! advances it, by the database's clock, for the jobs that it claims; each job then waits for the
//! next start that its worker has reserved.

mod row;
pub(crate) mod start_times;

use std::time::{Duration, Instant};

use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DbErr, EntityTrait, QueryFilter, TransactionSession, TransactionTrait,
    sea_query::{Expr, ExprTrait},
};

pub use self::row::MAX_HOLD;
use self::{row::Row, start_times::StartTimes};
use super::{claim::ClaimedJob, enqueue::is_unique_violation, job_queue::JobQueue};
use crate::{entity::rate, sql::duration_micros};

/// A start that passed longer ago than this is not used. Otherwise a process that was stopped and
/// then uses all its starts together would break the rate, together with starts that others have
/// reserved since. Starts compressed by less than this still keep the rate, because one second plus
/// this is less than `MARGIN` seconds.
const MAX_LATENESS: Duration = Duration::from_millis(20);

/// The resolution of Tokio's timer.
const TIMER_RESOLUTION: Duration = Duration::from_millis(1);

/// How long after its claim a job is expected to take its start.
const MAX_PREPARATION: Duration = Duration::from_millis(200);
/// How many starts a job may miss while it waits for them.
const MAX_MISSED: usize = 5;
/// How long a job waits for a start, if the rate has more than one in that time.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// How long a job waits for a slot. Jobs are claimed ahead only while slots become free at a rate
/// that makes it much shorter.
const MAX_SLOT_WAIT: Duration = Duration::from_secs(5);

impl JobQueue {
    /// Changes the rate at which this worker reserves starts, for example to ramp up after an
    /// outage. Other workers keep theirs until this is called on each of them.
    pub fn set_rate(&self, per_second: f64) {
        self.local_rate.set(per_second);
        self.leases.notify();
    }

    pub(crate) fn is_rated(&self, queue: &str) -> bool {
        self.rated_queues().iter().any(|name| name == queue)
    }

    fn rated_queues(&self) -> &[String] {
        self.options.rate.as_ref().map_or(&[], |rate| &rate.queues)
    }

    /// Returns whether no job of a rated queue can be claimed now.
    pub(crate) fn is_rate_blocked(&self) -> bool {
        self.local_rate.blocked().is_some() && self.spare_starts() == 0
    }

    /// Reserves starts for these many further rated jobs, at most one for each free slot. Returns how
    /// many of the jobs may be claimed.
    pub(crate) async fn reserve_for_claim(&self, jobs: usize) -> Result<usize, DbErr> {
        let _reserving = self.reserving.lock().await;
        let needed = (self.unstarted() + jobs).min(self.slots.free());
        let Some(lacking) = needed.checked_sub(self.local_rate.reserved()).filter(|n| *n > 0)
        else {
            return Ok(jobs);
        };
        if self.reserve(|starts| lacking.min(starts.available())).await? == lacking {
            return Ok(jobs);
        }
        Ok(self.spare_starts().min(jobs))
    }

    /// The number of reserved starts that no job that was claimed recently needs.
    fn spare_starts(&self) -> usize {
        self.local_rate.reserved().saturating_sub(self.unstarted())
    }

    /// The number of rated jobs that are about to need a start. A job that prepares for longer than the
    /// starts that were reserved with its claim can be used reserves one itself.
    fn unstarted(&self) -> usize {
        self.leases.unstarted_of(self.rated_queues(), MAX_PREPARATION)
    }

    /// Reserves as many starts as `count` returns, in one transaction, and returns their number.
    async fn reserve(&self, count: impl FnOnce(&StartTimes) -> usize) -> Result<usize, DbErr> {
        let Some(rate) = &self.options.rate else { return Ok(0) };
        self.ensure_rate_row().await?;
        let transaction = self.write.begin().await?;
        let Some(starts) = self.lock_rate(&transaction).await? else {
            transaction.rollback().await?;
            self.local_rate.block(Some(Instant::now() + self.options.poll));
            return Ok(0);
        };
        let count = count(&starts);
        let length = i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(starts.interval);
        if count > 0 {
            let next_free = starts.next_free.saturating_add(length);
            rate::Entity::update_many()
                .col_expr(rate::Column::NextFree, Expr::value(next_free))
                .col_expr(rate::Column::SeenAt, Expr::value(starts.now))
                .filter(Expr::col(rate::Column::Name).eq(rate.name.as_str()))
                .exec(&transaction)
                .await?;
        }
        if count > 0 || starts.is_corrected {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        self.local_rate.reserved_at(&starts, count, length);
        Ok(count)
    }

    /// Locks the rate's row and returns the starts that can be reserved. Returns `None` if there is
    /// no row yet, or a rate of zero.
    async fn lock_rate<C: ConnectionTrait>(
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
        // A start that passes before the transaction has ended could not be used.
        let next_free = Ord::max(next_free, now + self.local_rate.lead());
        Ok(Some(StartTimes { read_at, now, next_free, interval, is_corrected }))
    }

    /// Waits until the job may start: for a slot of the worker and, if its queue has a
    /// [`Rate`](crate::Rate), for a start. Call it immediately before the work that both limit: jobs
    /// are delivered earlier, so that their handlers can prepare.
    ///
    /// Returns whether the work may begin. It may not if no slot is free within five seconds, if no
    /// start is available soon (within a second, or two starts of a slow rate) or if the database
    /// cannot be asked for one; snooze the job then.
    pub async fn wait_for_start(&self, job: &ClaimedJob) -> bool {
        if job.lease.is_unstarted() {
            let slot = self.slots.acquire(self.limit_of(&job.queue));
            let Ok(slot) = tokio::time::timeout(MAX_SLOT_WAIT, slot).await else { return false };
            job.lease.occupy(slot);
        }
        if !self.is_rated(&job.queue) {
            return true;
        }
        for _ in 0..=MAX_MISSED {
            let start = match self.next_start().await {
                Ok(Some(start)) => start,
                Ok(None) => return false,
                Err(error) => {
                    tracing::debug!(%error, job = %job.id, "no start could be reserved");
                    return false;
                }
            };
            // Otherwise the timer would make each start late. The margin of the rate allows early ones.
            let wait = start.saturating_duration_since(Instant::now());
            if let Some(wait) = wait.checked_sub(TIMER_RESOLUTION) {
                tokio::time::sleep(wait).await;
            }
            if start.elapsed() <= MAX_LATENESS {
                return true;
            }
        }
        false
    }

    /// Takes the next reserved start. If there is none, one of the concurrent callers reserves one for
    /// each of them and for the jobs that are about to call this. Returns `None` if there is no
    /// start soon.
    async fn next_start(&self) -> Result<Option<Instant>, DbErr> {
        let mut missed = 0;
        loop {
            if let Some(start) = self.local_rate.take() {
                return Ok(Some(start));
            }
            let waiting = self.local_rate.wait();
            let _reserving = self.reserving.lock().await;
            if let Some(start) = self.local_rate.take() {
                return Ok(Some(start));
            }
            // Reserved starts are missing here if the transaction took longer than the last one.
            if self.reserve_for_waiting(waiting.count()).await? == 0 || missed == MAX_MISSED {
                return Ok(self.local_rate.take());
            }
            missed += 1;
        }
    }

    /// Reserves a start for each job that waits, if it is soon, and for the jobs that will follow, within
    /// `AHEAD`.
    async fn reserve_for_waiting(&self, waiting: usize) -> Result<usize, DbErr> {
        // About as many slots become free in the next 50 ms as in the last.
        let slots = self.slots.free() + self.slots.ahead();
        let following = self.unstarted().min(slots);
        self.reserve(|starts| {
            let soon = starts.within(MAX_WAIT);
            waiting.min(soon).max((waiting + following).min(starts.ahead()))
        })
        .await
    }

    /// Creates the rate's row if this worker does not know that it exists. Must not be called in a
    /// transaction.
    async fn ensure_rate_row(&self) -> Result<(), DbErr> {
        let Some(rate) = &self.options.rate else { return Ok(()) };
        if !self.local_rate.row_exists() {
            ensure_row(&self.write, &rate.name).await?;
            self.local_rate.set_row_exists(true);
        }
        Ok(())
    }
}

/// Stops all workers from reserving starts of a rate for `length`, at most [`MAX_HOLD`], for example
/// after a 429 response with `Retry-After`. Starts reserved before are still used: they are at most
/// 0.2 seconds away, or one second (two starts of a slow rate) for jobs that had waited for one.
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
