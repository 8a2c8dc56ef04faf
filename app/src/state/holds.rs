//! Reasons why queued invitations are held back: for a postponed one, its stored reason; for a due
//! one, what currently holds its queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use guestlist_database::SqlStore;
use guestlist_domain::{HeldBy, Invitation, InvitationStatus, QueueName, StoreError};
use jiff::Timestamp;
use parking_lot::Mutex;

/// How long a cached status is served. Thousands of invitations may be created per second.
const TTL: Duration = Duration::from_millis(250);

/// What held the invitation queue at a point in time.
#[derive(Debug, Clone, Copy)]
pub struct HoldStatus {
    queue_held_by: Option<HeldBy>,
    now: Timestamp,
}

impl HoldStatus {
    /// Returns what holds the invitation back.
    pub fn held_by(&self, invitation: &Invitation) -> Option<HeldBy> {
        if invitation.status != InvitationStatus::Queued {
            None
        } else if is_postponed(invitation, self.now) {
            invitation.held_by
        } else {
            self.queue_held_by
        }
    }
}

fn is_postponed(invitation: &Invitation, now: Timestamp) -> bool {
    invitation.next_attempt_at.is_some_and(|at| now < at)
}

/// Reads the hold status, and caches it for responses to new invitations.
#[derive(Debug)]
pub struct HoldCache {
    store: Arc<SqlStore>,
    cached: Mutex<Option<(Instant, HoldStatus)>>,
}

impl HoldCache {
    pub fn new(store: Arc<SqlStore>) -> Self {
        Self { store, cached: Mutex::default() }
    }

    /// Returns the status for an invitation that has just been written, from the cache if
    /// possible. If the database fails, the reason is left out: the write has succeeded.
    pub async fn cached(&self, now: Timestamp) -> HoldStatus {
        let cached = *self.cached.lock();
        if let Some((at, status)) = cached
            && at.elapsed() < TTL
        {
            return HoldStatus { now, ..status };
        }
        let queue_held_by = self.read(now).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the hold status could not be read");
            None
        });
        let status = HoldStatus { queue_held_by, now };
        self.set(Some((Instant::now(), status)));
        status
    }

    /// Returns the status for these invitations. Queries the database only if one of them is due.
    pub async fn current(
        &self,
        now: Timestamp,
        invitations: impl IntoIterator<Item = &Invitation>,
    ) -> Result<HoldStatus, StoreError> {
        let is_due = |invitation: &Invitation| {
            invitation.status == InvitationStatus::Queued && !is_postponed(invitation, now)
        };
        let is_needed = invitations.into_iter().any(is_due);
        let queue_held_by = if is_needed { self.read(now).await? } else { None };
        Ok(HoldStatus { queue_held_by, now })
    }

    /// Drops the cached status, after a queue was paused or resumed.
    pub fn invalidate(&self) {
        self.set(None);
    }

    async fn read(&self, now: Timestamp) -> Result<Option<HeldBy>, StoreError> {
        Ok(self.store.holds(now).await?.for_queue(QueueName::Invitation, now))
    }

    fn set(&self, status: Option<(Instant, HoldStatus)>) {
        *self.cached.lock() = status;
    }
}
