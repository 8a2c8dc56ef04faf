//! Background task for all workers' jobs: promotes due ones, rescues lost ones, corrects clock skew
//! and deletes expired ones.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::DbErr;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::outage::{Outage, with_timeout};
use crate::queue::job_queue::JobQueue;

/// The longest time between two checks for due jobs.
const PROMOTE_INTERVAL: Duration = Duration::from_secs(1);
const RESCUE_INTERVAL: Duration = Duration::from_secs(2);
const SKEW_INTERVAL: Duration = Duration::from_secs(10);
const CLEAN_UP_INTERVAL: Duration = Duration::from_mins(1);

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
