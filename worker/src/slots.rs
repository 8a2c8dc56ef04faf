//! Slots for performing jobs. A job needs one while it is performed, not while its result is
//! written.

use std::sync::Arc;

use guestlist_domain::QueueName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A worker's slots: `WORKER_CONCURRENCY` for all jobs, and a tenth as many on top that invitations
/// and other work at the provider may not use, so that logins never wait for them.
#[derive(Debug, Clone)]
pub struct Slots {
    shared: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    concurrency: usize,
}

impl Slots {
    pub fn new(concurrency: usize) -> Self {
        let reserved = concurrency.div_ceil(10);
        Self {
            shared: Arc::new(Semaphore::new(concurrency)),
            reserved: Arc::new(Semaphore::new(reserved)),
            concurrency,
        }
    }

    /// The number of jobs to claim besides those in shared slots: as many as the reserved slots, and
    /// others that use a slot as soon as it is free, or wait for their result to be written.
    pub fn prefetch(&self) -> usize {
        self.queue_limit() - self.concurrency + self.concurrency.div_ceil(10)
    }

    /// The number of jobs of a queue without reserved slots to hold at a time.
    pub fn queue_limit(&self) -> usize {
        self.concurrency + self.concurrency.div_ceil(2)
    }

    /// Returns whether a queue's jobs may use the reserved slots.
    pub fn are_reserved_for(queue: QueueName) -> bool {
        !matches!(queue, QueueName::Invitation | QueueName::Provider)
    }

    /// Refuses slots from now on, because the worker stops.
    pub fn close(&self) {
        self.shared.close();
        self.reserved.close();
    }

    /// Waits for a slot. It is free again when the permit is dropped. Returns `None` once the slots
    /// are [closed](Self::close).
    pub async fn acquire(&self, queue: QueueName) -> Option<OwnedSemaphorePermit> {
        let shared = Arc::clone(&self.shared).acquire_owned();
        if !Self::are_reserved_for(queue) {
            return shared.await.ok();
        }
        let reserved = Arc::clone(&self.reserved).acquire_owned();
        tokio::select! {
            biased;
            permit = reserved => permit.ok(),
            permit = shared => permit.ok(),
        }
    }
}
