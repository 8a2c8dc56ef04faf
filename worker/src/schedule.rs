//! What runs by the clock: sweeps, and comparisons with Stytch. Every worker offers each; the
//! interval's key lets one win.

use std::time::Duration;

use guestlist_domain::{Ctx, StoreError, flows};
use tokio_util::sync::CancellationToken;

/// A comparison is rare, and is offered this often so that no restart makes one be left out.
const RECONCILIATION_OFFERED: Duration = Duration::from_mins(5);

/// How often what runs.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Sweeps.
    pub sweep: Duration,
    /// Comparisons with Stytch.
    pub reconcile: Duration,
}

/// Offers a sweep and a comparison at once, and then again and again, until told to stop.
pub async fn keep_schedule(ctx: Ctx, schedule: Schedule, stop: CancellationToken) {
    let Schedule { sweep, reconcile } = schedule;
    let sweeps = offer("sweep", sweep, &stop, || flows::schedule_sweep(&ctx, sweep));
    let often = reconcile.min(RECONCILIATION_OFFERED);
    let reconciliations =
        offer("reconcile", often, &stop, || flows::schedule_reconciliation(&ctx, reconcile));
    tokio::join!(sweeps, reconciliations);
}

async fn offer<F>(kind: &str, often: Duration, stop: &CancellationToken, schedule: impl Fn() -> F)
where
    F: Future<Output = Result<bool, StoreError>>,
{
    loop {
        if let Err(error) = schedule().await {
            tracing::warn!(%error, kind, "a job could not be scheduled; next time it may");
        }
        if stop.run_until_cancelled(tokio::time::sleep(often)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_queue_knows_the_keys_of_what_runs_at_intervals() {
        assert_eq!(guestlist_domain::PERIODIC_KEY_PREFIX, apalis_sea_orm::PERIODIC);
    }
}
