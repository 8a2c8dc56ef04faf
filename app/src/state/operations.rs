//! The state of queues, workers and jobs, for pages.

use std::sync::Arc;

use guestlist_database::SqlStore;
use guestlist_database::operations::{Activity, ErrorGroup, Overview, QueueWaits};
use guestlist_domain::StoreResult;
use jiff::Timestamp;

use super::cached::Cached;
use crate::operations::Diagnosis;

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

/// Reads the state of queues, workers and jobs for pages, and caches it.
#[derive(Debug)]
pub struct OperationsCache {
    store: Arc<SqlStore>,
    authenticate_url: String,
    overview: Cached<Arc<Overview>>,
    throughput: Cached<Arc<Activity>>,
    waits: Cached<Arc<[QueueWaits]>>,
    errors: Cached<Arc<[ErrorGroup]>>,
}

impl OperationsCache {
    pub fn new(store: Arc<SqlStore>, authenticate_url: String) -> Self {
        Self {
            store,
            authenticate_url,
            overview: Cached::default(),
            throughput: Cached::default(),
            waits: Cached::default(),
            errors: Cached::default(),
        }
    }

    pub async fn sending(&self, now: Timestamp) -> StoreResult<SendingStatus> {
        let overview = self.overview(now).await?;
        Ok(SendingStatus::new(&overview, &self.authenticate_url, now))
    }

    /// Returns the state of queues and workers, up to a second old.
    pub async fn overview(&self, now: Timestamp) -> StoreResult<Arc<Overview>> {
        self.overview.get_or(async { self.store.overview(now).await.map(Arc::new) }).await
    }

    /// Returns how many jobs ended in each minute of the last hour, up to a second old.
    pub async fn throughput(&self, now: Timestamp) -> StoreResult<Arc<Activity>> {
        self.throughput.get_or(async { self.store.throughput(now).await.map(Arc::new) }).await
    }

    /// Returns how long jobs waited in each minute of the last hour, up to a second old.
    pub async fn waits(&self, now: Timestamp) -> StoreResult<Arc<[QueueWaits]>> {
        self.waits.get_or(async { self.store.waits(now).await.map(Arc::from) }).await
    }

    /// Returns the errors of dead and retrying jobs, up to a second old. Reads each of these jobs.
    pub async fn errors(&self) -> StoreResult<Arc<[ErrorGroup]>> {
        self.errors.get_or(async { self.store.job_errors().await.map(Arc::from) }).await
    }

    /// Drops what an operator's action changes.
    pub async fn invalidate(&self) {
        self.overview.invalidate().await;
        self.errors.invalidate().await;
    }
}
