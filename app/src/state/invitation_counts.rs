//! The numbers of invitations, for the list of invitations.

use guestlist_database::SqlStore;
use guestlist_database::operations::InvitationCounts;
use guestlist_domain::StoreError;
use jiff::Timestamp;
use std::sync::Arc;

use super::cached::Cached;

/// Reads the numbers, and caches them: counting reads tens of thousands of rows of an index.
#[derive(Debug)]
pub struct InvitationCountsCache {
    store: Arc<SqlStore>,
    cached: Cached<InvitationCounts>,
}

impl InvitationCountsCache {
    pub fn new(store: Arc<SqlStore>) -> Self {
        Self { store, cached: Cached::default() }
    }

    pub async fn read(&self, now: Timestamp) -> Result<InvitationCounts, StoreError> {
        self.cached.get_or(self.store.count_invitations(now)).await
    }

    /// Drops the cached numbers, so that the list after a form shows its effect.
    pub async fn invalidate(&self) {
        self.cached.invalidate().await;
    }
}
