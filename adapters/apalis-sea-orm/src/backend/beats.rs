//! Heartbeats: a task of their own, since jobs must keep their leases whatever else waits, and
//! while the worker drains. It also hears which jobs were cancelled.

use std::time::Duration;

use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::outage::{Outage, limited};
use crate::Queue;

/// Between looks for cancelled jobs, of a worker that holds any.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn keep(queue: Queue, stop: CancellationToken) {
    let mut outage = Outage::of("extending leases", &queue.options);
    loop {
        let wait = match limited(&queue.options, turn(&queue)).await {
            Ok(asked) => {
                if asked {
                    outage.succeeded();
                }
                queue.options().heartbeat.min(LOOK)
            }
            Err(error) => outage.failed(&error),
        };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// Tells whether the database was asked anything.
async fn turn(queue: &Queue) -> Result<bool, DbErr> {
    let aged = queue.leases.aged(queue.options().lease / 2);
    let lost = queue.beat(&aged).await?;
    if !lost.is_empty() {
        tracing::warn!(jobs = ?lost, "leases lost; others may perform these jobs");
    }
    let asked = !aged.is_empty() || queue.in_flight() > 0;
    let cancelled = queue.notice_cancelled().await?;
    if !cancelled.is_empty() {
        tracing::info!(jobs = ?cancelled, "jobs are to be cancelled");
    }
    Ok(asked)
}
