//! Background tasks that extend leases, detect cancellation and report the worker. They are separate
//! from all others, because leases must be extended even if others wait, and while the worker
//! drains.

use std::time::Duration;

use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::outage::{Outage, with_timeout};
use crate::queue::job_queue::JobQueue;

const CANCELLATION_INTERVAL: Duration = Duration::from_secs(1);
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Extends leases and detects cancelled jobs until `stop`.
pub(super) async fn keep_leases(queue: JobQueue, stop: CancellationToken) {
    let mut outage = Outage::new("extending leases", &queue.options);
    loop {
        let wait = match with_timeout(&queue.options, check_leases(&queue)).await {
            Ok(has_queried) => {
                if has_queried {
                    outage.succeeded();
                }
                queue.options().heartbeat.min(CANCELLATION_INTERVAL)
            }
            Err(error) => outage.failed(&error),
        };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// Returns whether any statement was sent.
async fn check_leases(queue: &JobQueue) -> Result<bool, DbErr> {
    let expiring = queue.leases.older_than(queue.options().lease / 2);
    let lost = queue.heartbeat(&expiring).await?;
    if !lost.is_empty() {
        tracing::warn!(jobs = ?lost, "leases lost: other workers may process these jobs");
    }
    let has_queried = !expiring.is_empty() || queue.in_flight() > 0;
    let cancelled = queue.detect_cancelled().await?;
    if !cancelled.is_empty() {
        tracing::info!(jobs = ?cancelled, "cancellation of running jobs was requested");
    }
    Ok(has_queried)
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
