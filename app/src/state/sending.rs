//! Whether mail is being sent, for the navigation of every page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use guestlist_database::SqlStore;
use guestlist_database::operations::Overview;
use guestlist_domain::StoreError;
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::operations::Diagnosis;

/// How long a cached state is served. Each open page asks every few seconds.
const TTL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendingState {
    Sending,
    /// An operator has paused invitations or login links.
    Paused,
    NotSending,
}

/// What the navigation shows about operations.
#[derive(Debug, Clone, Copy)]
pub struct SendingStatus {
    pub state: SendingState,
    /// Number of jobs that failed for good and have not been dismissed.
    pub dead_jobs: u64,
}

impl SendingStatus {
    fn new(overview: &Overview, authenticate_url: &str, now: Timestamp) -> Self {
        let state = match Diagnosis::new(overview, authenticate_url, now) {
            Diagnosis { sending: true, .. } => SendingState::Sending,
            Diagnosis { is_paused: true, .. } => SendingState::Paused,
            _ => SendingState::NotSending,
        };
        Self { state, dead_jobs: overview.queues.iter().map(|queue| queue.dead).sum() }
    }
}

/// Reads the state of queues and workers, and caches it.
#[derive(Debug)]
pub struct SendingCache {
    store: Arc<SqlStore>,
    authenticate_url: String,
    cached: Mutex<Option<(Instant, Arc<Overview>)>>,
}

impl SendingCache {
    pub fn new(store: Arc<SqlStore>, authenticate_url: String) -> Self {
        Self { store, authenticate_url, cached: Mutex::default() }
    }

    pub async fn read(&self, now: Timestamp) -> Result<SendingStatus, StoreError> {
        let overview = self.overview(now).await?;
        Ok(SendingStatus::new(&overview, &self.authenticate_url, now))
    }

    /// Returns the state of queues and workers, up to a second old.
    pub async fn overview(&self, now: Timestamp) -> Result<Arc<Overview>, StoreError> {
        // Held during the query, so that concurrent callers share one.
        let mut cached = self.cached.lock().await;
        if let Some((at, overview)) = &*cached
            && at.elapsed() < TTL
        {
            return Ok(Arc::clone(overview));
        }
        let overview = Arc::new(self.store.overview(now).await?);
        *cached = Some((Instant::now(), Arc::clone(&overview)));
        Ok(overview)
    }

    /// Returns the current state, for a page that also lists what it counts, and caches it.
    pub async fn current_overview(&self, now: Timestamp) -> Result<Arc<Overview>, StoreError> {
        self.invalidate().await;
        self.overview(now).await
    }

    /// Drops the cached state, after an operator changed it.
    pub async fn invalidate(&self) {
        *self.cached.lock().await = None;
    }
}
