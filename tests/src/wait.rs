//! Polling for a condition.

use std::time::Duration;

use tokio::time::Instant;

/// A limit for what normally takes less than a second on an idle machine.
pub const SHORT: Duration = Duration::from_secs(20);
/// A limit for what includes retry delays or the expiry of a dead worker's lease.
pub const LONG: Duration = Duration::from_mins(2);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Calls `poll` until it returns a value, and returns that value.
///
/// # Panics
///
/// Panics after `limit`, with `condition` in the message.
pub async fn wait_until<T>(
    limit: Duration,
    condition: &str,
    poll: impl AsyncFn() -> Option<T>,
) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = poll().await {
            return found;
        }
        assert!(Instant::now() < end, "{condition}: not within {} s", limit.as_secs());
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
