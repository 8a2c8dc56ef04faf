//! Stages what is due, rescues what fell silent and prunes what is old, for every worker's sake.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::DbErr;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::outage::{Outage, limited};
use crate::Queue;

/// Between looks for jobs that became due, unless the last look saw that one is due sooner.
const STAGE: Duration = Duration::from_secs(1);
/// Between looks for jobs whose lease ended.
const RESCUE: Duration = Duration::from_secs(2);
/// Between looks for what a clock that was ahead put off.
const RECALL: Duration = Duration::from_secs(10);
/// Between looks for what is old enough to go.
const PRUNE: Duration = Duration::from_mins(1);

pub(super) async fn tend(queue: Queue, stop: CancellationToken) {
    let mut outage = Outage::of("staging and rescuing jobs", &queue.options);
    let mut rescue_at = Instant::now() + RESCUE;
    let mut recall_at = Instant::now();
    let mut prune_at = Instant::now() + PRUNE.mul_f64(rand::random_range(0.1..1.0));
    loop {
        let turn = turn(&queue, &mut rescue_at, &mut recall_at, &mut prune_at);
        let wait = match limited(&queue.options, turn).await {
            Ok(wait) => {
                if outage.succeeded() {
                    // Live workers were cut off as well; let their heartbeats come first.
                    rescue_at = Instant::now() + queue.options().lease;
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

async fn turn(
    queue: &Queue,
    rescue_at: &mut Instant,
    recall_at: &mut Instant,
    prune_at: &mut Instant,
) -> Result<Duration, DbErr> {
    let now = queue.options().now();
    if Instant::now() >= *prune_at {
        *prune_at = Instant::now() + PRUNE.mul_f64(rand::random_range(0.8..1.2));
        queue.tidy(now).await?;
    }
    if Instant::now() >= *rescue_at {
        let rescued = queue.rescue(now).await?;
        if !rescued.is_empty() {
            tracing::warn!(jobs = ?rescued, "rescued jobs of workers that fell silent");
            queue.options().waker.wake();
        }
        *rescue_at = Instant::now() + RESCUE.mul_f64(rand::random_range(0.8..1.2));
    }
    if Instant::now() >= *recall_at {
        let recalled = queue.recall(now).await?;
        if recalled > 0 {
            tracing::warn!(recalled, "a clock that was ahead put these jobs off; they are due");
            queue.options().waker.wake();
        }
        *recall_at = Instant::now() + RECALL.mul_f64(rand::random_range(0.8..1.2));
    }
    let wait = stage(queue, now).await?;
    Ok(wait.min(rescue_at.saturating_duration_since(Instant::now())))
}

/// Answers when to look again.
async fn stage(queue: &Queue, now: Timestamp) -> Result<Duration, DbErr> {
    let Some(due) = queue.next_due().await? else { return Ok(STAGE) };
    if due > now {
        let until = Duration::try_from(due.duration_since(now)).unwrap_or(STAGE);
        return Ok(until.min(STAGE));
    }
    if queue.stage(now).await? > 0 {
        queue.options().waker.wake();
        return Ok(Duration::ZERO);
    }
    // Another worker was faster.
    Ok(Duration::from_millis(50))
}
