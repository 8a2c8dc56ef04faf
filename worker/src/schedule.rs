//! What runs by the clock: sweeps. Every worker offers each; the interval's key lets one win.

use std::time::Duration;

use guestlist_domain::{Ctx, flows};
use tokio_util::sync::CancellationToken;

/// Offers a sweep at once, and then once an interval, until told to stop.
pub async fn keep_schedule(ctx: Ctx, sweep_interval: Duration, stop: CancellationToken) {
    loop {
        if let Err(error) = flows::schedule_sweep(&ctx, sweep_interval).await {
            tracing::warn!(%error, "the sweep could not be scheduled; next time it may");
        }
        let wait = tokio::time::sleep(sweep_interval);
        if stop.run_until_cancelled(wait).await.is_none() {
            return;
        }
    }
}
