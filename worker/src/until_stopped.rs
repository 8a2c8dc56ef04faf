//! The right to act of whoever holds no job: a command at a shell.

use async_trait::async_trait;
use guestlist_domain::CallGate;
use tokio_util::sync::CancellationToken;

/// May act until it is told to stop.
#[derive(Debug, Clone)]
pub struct UntilStopped(pub CancellationToken);

#[async_trait]
impl CallGate for UntilStopped {
    async fn may_call(&self) -> bool {
        !self.0.is_cancelled()
    }
}
