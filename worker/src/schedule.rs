//! Enqueues periodic jobs: sweeps, and comparisons with the provider. Every worker does so; the
//! interval's unique key admits one job.

use std::time::Duration;

use guestlist_domain::{Ctx, StoreError, jobs};
use tokio_util::sync::CancellationToken;

use crate::setup::config::WorkerSettings;

/// Longest time between two tries to enqueue a comparison, so that a restart does not skip one.
const MAX_RECONCILE_POLL: Duration = Duration::from_mins(5);

/// Enqueues periodic jobs until `stop`, the first of each immediately.
pub async fn run(ctx: Ctx, settings: WorkerSettings, stop: CancellationToken) {
    let (sweep, reconcile) = (settings.sweep_interval, settings.reconcile_interval);
    let sweeps = repeat("sweep", sweep, &stop, || jobs::schedule_sweep(&ctx, sweep));
    let poll = reconcile.min(MAX_RECONCILE_POLL);
    let comparisons =
        repeat("reconcile", poll, &stop, || jobs::schedule_reconciliation(&ctx, reconcile));
    tokio::join!(sweeps, comparisons);
}

async fn repeat<F>(
    kind: &str,
    interval: Duration,
    stop: &CancellationToken,
    enqueue: impl Fn() -> F,
) where
    F: Future<Output = Result<bool, StoreError>>,
{
    loop {
        if let Err(error) = enqueue().await {
            tracing::warn!(%error, kind, "periodic job not enqueued; trying again at the next interval");
        }
        if stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_domain_and_the_queue_use_the_same_prefix_for_periodic_keys() {
        assert_eq!(guestlist_domain::PERIODIC_KEY_PREFIX, apalis_sea_orm::PERIODIC_KEY_PREFIX);
    }
}
