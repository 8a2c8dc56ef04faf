//! A worker's background tasks, which try again until the database answers. One extends the leases
//! of its jobs and one reports the worker, so that neither waits for the third, which maintains all
//! workers' jobs: it promotes due ones, rescues lost ones, corrects clock skew and deletes expired
//! ones.

use std::{io, pin::pin, sync::Arc, time::Duration};

use jiff::Timestamp;
use sea_orm::{DbErr, RuntimeErr, sqlx};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{backoff::Backoff, options::Options, queue::job_queue::JobQueue};

/// The longest time between two checks for due jobs.
const PROMOTE_INTERVAL: Duration = Duration::from_secs(1);
const RESCUE_INTERVAL: Duration = Duration::from_secs(2);
const SKEW_INTERVAL: Duration = Duration::from_secs(10);
const CLEAN_UP_INTERVAL: Duration = Duration::from_mins(1);
const LEASE_INTERVAL: Duration = Duration::from_secs(1);
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// How long a worker waits for the database. A frozen server, or one whose machine is gone, sends no
/// error.
const TIMEOUT: Duration = Duration::from_secs(20);
pub(super) const BACKOFF: Backoff =
    Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(5) };

/// Extends leases until `stop`.
pub(super) async fn keep_leases(queue: JobQueue, stop: CancellationToken) {
    let mut outage = Outage::new("extending leases", &queue.options);
    let lease = queue.options().lease;
    loop {
        let expiring = queue.leases.older_than(lease / 2);
        let wait = match with_timeout(&queue.options, queue.heartbeat(&expiring)).await {
            Ok(lost) => {
                if !lost.is_empty() {
                    tracing::warn!(jobs = ?lost, "leases lost: other workers may process these jobs");
                }
                // Without leases, no statement was sent.
                if !expiring.is_empty() {
                    outage.succeeded();
                }
                LEASE_INTERVAL.min(lease / 10)
            }
            Err(error) => outage.failed(&error),
        };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// Reports the worker until `stop`, then deregisters it.
pub(super) async fn report_worker(queue: JobQueue, stop: CancellationToken) {
    let mut outage = Outage::new("reporting the worker", &queue.options);
    loop {
        let wait = match with_timeout(&queue.options, queue.report()).await {
            Ok(()) => {
                outage.succeeded();
                REPORT_INTERVAL
            }
            Err(error) => outage.failed(&error),
        };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            break;
        }
    }
    if let Err(error) = queue.deregister().await {
        tracing::debug!(%error, "worker not deregistered; its row expires");
    }
}

/// When each task is due next.
struct Schedule {
    rescue: Instant,
    skew: Instant,
    clean_up: Instant,
}

/// Maintains the queue until `stop`.
pub(super) async fn maintain(queue: JobQueue, stop: CancellationToken) {
    let mut outage = Outage::new("maintaining the queue", &queue.options);
    let now = Instant::now();
    let mut schedule = Schedule {
        rescue: now + RESCUE_INTERVAL,
        skew: now,
        clean_up: now + CLEAN_UP_INTERVAL.mul_f64(rand::random_range(0.1..1.0)),
    };
    loop {
        let wait = match with_timeout(&queue.options, run_due(&queue, &mut schedule)).await {
            Ok(wait) => {
                if outage.succeeded() {
                    // Live workers could not reach the database either. Let their heartbeats come
                    // before the rescue.
                    schedule.rescue = Instant::now() + queue.options().lease;
                }
                wait
            }
            Err(error) => outage.failed(&error),
        };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// Runs the tasks that are due, and returns the time until the next.
async fn run_due(queue: &JobQueue, schedule: &mut Schedule) -> Result<Duration, DbErr> {
    let now = queue.options().now();
    if Instant::now() >= schedule.clean_up {
        schedule.clean_up = after(CLEAN_UP_INTERVAL);
        queue.clean_up(now).await?;
    }
    if Instant::now() >= schedule.rescue {
        let rescued = queue.rescue(now).await?;
        if !rescued.is_empty() {
            tracing::warn!(jobs = ?rescued, "jobs rescued from workers that stopped sending heartbeats");
            queue.options().waker.wake();
        }
        schedule.rescue = after(RESCUE_INTERVAL);
    }
    if Instant::now() >= schedule.skew {
        let corrected = queue.correct_clock_skew(now).await?;
        if corrected > 0 {
            tracing::warn!(
                jobs = corrected,
                "jobs rescheduled: a clock that was ahead had delayed them"
            );
            queue.options().waker.wake();
        }
        schedule.skew = after(SKEW_INTERVAL);
    }
    let wait = promote(queue, now).await?;
    Ok(wait.min(schedule.rescue.saturating_duration_since(Instant::now())))
}

fn after(interval: Duration) -> Instant {
    Instant::now() + interval.mul_f64(rand::random_range(0.8..1.2))
}

/// Returns the time until the next check.
async fn promote(queue: &JobQueue, now: Timestamp) -> Result<Duration, DbErr> {
    let Some(due) = queue.next_due().await? else { return Ok(PROMOTE_INTERVAL) };
    if due > now {
        let wait = Duration::try_from(due.duration_since(now)).unwrap_or(PROMOTE_INTERVAL);
        return Ok(wait.min(PROMOTE_INTERVAL));
    }
    if queue.promote(now).await? > 0 {
        queue.options().waker.wake();
        return Ok(Duration::ZERO);
    }
    // Another worker promoted these jobs.
    Ok(Duration::from_millis(50))
}

/// Fails a call that takes longer than [`TIMEOUT`]. The error is reported before the call is
/// dropped, which returns its connection to the pool.
pub(super) async fn with_timeout<T>(
    options: &Options,
    call: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let mut call = pin!(call);
    if let Ok(result) = tokio::time::timeout(TIMEOUT, &mut call).await {
        return result;
    }
    let timed_out = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    let error = DbErr::Conn(RuntimeErr::SqlxError(sqlx::Error::Io(timed_out).into()));
    (options.on_error)(&error);
    Err(error)
}

/// The consecutive failures of one task.
#[derive(Debug)]
pub(super) struct Outage {
    task: &'static str,
    failures: u32,
    options: Arc<Options>,
}

impl Outage {
    pub(super) fn new(task: &'static str, options: &Arc<Options>) -> Self {
        Self { task, failures: 0, options: Arc::clone(options) }
    }

    /// Records a failure and returns the delay before the next try.
    pub(super) fn failed(&mut self, error: &DbErr) -> Duration {
        (self.options.on_error)(error);
        if self.failures == 0 {
            tracing::warn!(%error, "{} failed; trying again until it succeeds", self.task);
        }
        self.failures = self.failures.saturating_add(1);
        BACKOFF.random_delay(self.failures)
    }

    /// Records a success and returns whether it ended an outage.
    pub(super) fn succeeded(&mut self) -> bool {
        let has_ended = self.failures > 0;
        if has_ended {
            tracing::info!(failures = self.failures, "{} succeeds again", self.task);
        }
        self.failures = 0;
        has_ended
    }
}
