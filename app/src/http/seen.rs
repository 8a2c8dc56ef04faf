//! Buffers last-seen updates and writes them in batches, at most one per session or key and minute.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use guestlist_domain::{Ctx, Usage, is_credible};
use guestlist_worker::shutdown::FLUSH;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::state::App;

/// How fine "last seen" is.
const RESOLUTION: Duration = Duration::from_mins(1);
const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// What has been seen and not been written yet.
#[derive(Debug, Default)]
pub struct SeenBuffer(Mutex<HashSet<Usage>>);

impl SeenBuffer {
    /// Notes a use, unless the last one noted is fresh enough. One noted in the future, by a process
    /// whose clock was ahead, is corrected.
    pub fn note(&self, seen: Usage, last: Option<Timestamp>, now: Timestamp) {
        let is_fresh = |last| now < last + RESOLUTION && is_credible(last, now);
        if !last.is_some_and(is_fresh) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(seen);
        }
    }

    async fn flush(&self, ctx: &Ctx) {
        let seen = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if seen.is_empty() {
            return;
        }
        let seen: Vec<Usage> = seen.into_iter().collect();
        if let Err(error) = ctx.store.record_usage(&seen, ctx.now()).await {
            tracing::warn!(%error, "who was seen could not be noted");
        }
    }
}

/// Writes what was seen every few seconds, until `stop`.
pub async fn keep_noting(app: App, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(FLUSH_EVERY)).await.is_some() {
        flush_seen(&app).await;
        app.forget_clients();
        app.security_log().flush();
    }
    app.security_log().flush();
}

/// Writes what was seen, or gives it up when the database does not answer.
pub async fn flush_seen(app: &App) {
    if tokio::time::timeout(FLUSH, app.seen().flush(app.ctx())).await.is_err() {
        tracing::warn!("last-seen times were not written: the database does not answer");
    }
}

#[cfg(test)]
mod tests {
    use guestlist_domain::{Clock, Ids, SystemClock, SystemIds};

    use super::*;

    #[test]
    fn a_use_is_noted_once_a_minute_and_one_noted_in_the_future_is_corrected() {
        let now = SystemClock.now();
        let is_noted = |last| {
            let buffer = SeenBuffer::default();
            buffer.note(Usage::Key(guestlist_domain::ApiKeyId(SystemIds.next())), last, now);
            !buffer.0.lock().unwrap().is_empty()
        };
        assert!(is_noted(None) && is_noted(Some(now - RESOLUTION)));
        assert!(!is_noted(Some(now)) && !is_noted(Some(now + Duration::from_secs(5))));
        assert!(is_noted(Some(now + Duration::from_hours(2))));
    }
}
