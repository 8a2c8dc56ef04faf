//! Buffers last-seen updates and writes them in batches, at most one per session or key and minute.

use std::collections::HashSet;
use std::time::Duration;

use guestlist_domain::{Ctx, Usage, is_credible};
use guestlist_worker::setup::shutdown::FLUSH_TIMEOUT;
use jiff::Timestamp;
use parking_lot::Mutex;

const RESOLUTION: Duration = Duration::from_mins(1);

/// Sessions and API keys used since the last flush.
#[derive(Debug, Default)]
pub struct ActivityBuffer(Mutex<HashSet<Usage>>);

impl ActivityBuffer {
    /// Records a use, unless `last`, the stored time, is less than a minute old. A stored time in
    /// the future, written by a process whose clock was ahead, is overwritten.
    pub fn record(&self, usage: Usage, last: Option<Timestamp>, now: Timestamp) {
        let is_recent = |last| now < last + RESOLUTION && is_credible(last, now);
        if !last.is_some_and(is_recent) {
            self.0.lock().insert(usage);
        }
    }

    /// Writes what has been recorded; a failure loses it.
    pub(super) async fn flush(&self, ctx: &Ctx) {
        let usages = std::mem::take(&mut *self.0.lock());
        if usages.is_empty() {
            return;
        }
        let usages: Vec<Usage> = usages.into_iter().collect();
        match tokio::time::timeout(FLUSH_TIMEOUT, ctx.store.record_usage(&usages, ctx.now())).await
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "last-seen times could not be written"),
            Err(_) => tracing::warn!("last-seen times were not written: the database timed out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use guestlist_domain::{ApiKeyId, Clock, Ids, SystemClock, SystemIds};

    use super::*;

    #[test]
    fn a_use_is_recorded_once_a_minute_and_a_time_in_the_future_is_corrected() {
        let now = SystemClock.now();
        let is_recorded = |last| {
            let buffer = ActivityBuffer::default();
            buffer.record(Usage::Key(ApiKeyId(SystemIds.next())), last, now);
            !buffer.0.lock().is_empty()
        };
        assert!(is_recorded(None) && is_recorded(Some(now - RESOLUTION)));
        assert!(!is_recorded(Some(now)) && !is_recorded(Some(now + Duration::from_secs(5))));
        assert!(is_recorded(Some(now + Duration::from_hours(2))));
    }
}
