//! Reports that the worker is there, until it signs off.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::outage::{Outage, limited};
use crate::Queue;

const REPORT: Duration = Duration::from_secs(5);

pub(super) async fn keep(queue: Queue, stop: CancellationToken) {
    let mut outage = Outage::of("reporting the worker", &queue.options);
    loop {
        let wait = match limited(&queue.options, queue.report()).await {
            Ok(()) => {
                outage.succeeded();
                REPORT
            }
            Err(error) => outage.failed(&error),
        };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            break;
        }
    }
    if let Err(error) = queue.sign_off().await {
        tracing::debug!(%error, "the worker could not sign off; it will be forgotten");
    }
}
