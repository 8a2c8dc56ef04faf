//! Waiting for a condition, never for a time.

use std::time::Duration;

use tokio::time::Instant;

/// For what takes a moment; generous, for the machine may be busy.
pub const SHORT: Duration = Duration::from_secs(20);
/// For what takes pauses between attempts, or the end of a dead worker's lease.
pub const LONG: Duration = Duration::from_mins(2);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until there is something, and answers it; panics when the limit is over.
pub async fn wait_until<T>(limit: Duration, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited {} s in vain until {what}", limit.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
