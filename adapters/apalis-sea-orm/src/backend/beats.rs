//! Heartbeats: a task of their own, since jobs must keep their leases whatever else waits, and
//! while the worker drains.

use tokio_util::sync::CancellationToken;

use super::outage::Outage;
use crate::Queue;

pub(super) async fn keep(queue: Queue, stop: CancellationToken) {
    let mut outage = Outage::of("extending leases");
    let options = queue.options();
    loop {
        let aged = queue.leases.aged(options.lease / 2);
        let wait = match queue.beat(&aged).await {
            Ok(lost) => {
                if !aged.is_empty() {
                    outage.succeeded();
                }
                if !lost.is_empty() {
                    tracing::warn!(jobs = ?lost, "leases lost; others may perform these jobs");
                }
                options.heartbeat
            }
            Err(error) => outage.failed(&error),
        };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}
