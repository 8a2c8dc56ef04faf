//! The numbers of invitations, for the list of invitations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use guestlist_database::SqlStore;
use guestlist_database::operations::InvitationCounts;
use guestlist_domain::StoreError;
use jiff::Timestamp;
use tokio::sync::Mutex;

/// How long cached numbers are served. Each open list asks every few seconds, and counting reads
/// tens of thousands of rows of an index.
const TTL: Duration = Duration::from_secs(1);

/// Reads the numbers, and caches them.
#[derive(Debug)]
pub struct InvitationCountsCache {
    store: Arc<SqlStore>,
    cached: Mutex<Option<(Instant, InvitationCounts)>>,
}

impl InvitationCountsCache {
    pub fn new(store: Arc<SqlStore>) -> Self {
        Self { store, cached: Mutex::default() }
    }

    pub async fn read(&self, now: Timestamp) -> Result<InvitationCounts, StoreError> {
        // Held during the query, so that concurrent callers share one.
        let mut cached = self.cached.lock().await;
        if let Some((at, counts)) = &*cached
            && at.elapsed() < TTL
        {
            return Ok(counts.clone());
        }
        let counts = self.store.count_invitations(now).await?;
        *cached = Some((Instant::now(), counts.clone()));
        Ok(counts)
    }

    /// Drops the cached numbers, so that the list after a form shows its effect.
    pub async fn invalidate(&self) {
        *self.cached.lock().await = None;
    }
}
