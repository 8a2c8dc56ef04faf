//! The slots of a worker: how many of its jobs run at a time. A job takes one in `wait_for_start`,
//! before it waits for its start, so that jobs without a slot can prepare while others run.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lease::lock;
use crate::options::Options;

/// A worker claims as many jobs ahead as it has freed slots in this time. It is longer than the
/// longest wait between claims (20 ms), a claim, and its jobs' preparation together. With a larger
/// value, more claimed jobs wait, which a pause of their queue no longer stops.
const AHEAD: Duration = Duration::from_millis(50);

/// A worker's slots, and those of each of its limits.
#[derive(Clone, Debug)]
pub(crate) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: Arc<Semaphore>,
    limits: Vec<Arc<Semaphore>>,
    /// When slots were freed, up to half of all, the latest last.
    freed_at: Mutex<VecDeque<Instant>>,
    max_ahead: usize,
}

/// A slot that a running job occupies until this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    _permits: [Option<OwnedSemaphorePermit>; 2],
}

impl Slots {
    pub(crate) fn new(options: &Options) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner {
            all: semaphore(options.concurrency),
            limits: options.limits.iter().map(|limit| semaphore(limit.jobs)).collect(),
            freed_at: Mutex::default(),
            max_ahead: options.concurrency / 2,
        }))
    }

    pub(crate) fn free(&self) -> usize {
        self.0.all.available_permits()
    }

    /// Waits for a slot, and for one of a limit if its index is given.
    pub(crate) async fn acquire(&self, limit: Option<usize>) -> Slot {
        let acquire = async |semaphore: &Arc<Semaphore>| {
            // Fails only if the semaphore is closed, which never happens.
            Arc::clone(semaphore).acquire_owned().await.ok()
        };
        let limited = match limit {
            Some(index) => acquire(&self.0.limits[index]).await,
            None => None,
        };
        Slot { _permits: [limited, acquire(&self.0.all).await], slots: self.clone() }
    }

    /// Returns how many jobs to claim beyond the worker's concurrency, so that a slot that becomes free
    /// finds a job that has prepared.
    pub(crate) fn ahead(&self) -> usize {
        let freed_at = lock(&self.0.freed_at);
        freed_at.iter().rev().take_while(|at| at.elapsed() < AHEAD).count()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut freed_at = lock(&self.slots.0.freed_at);
        freed_at.push_back(Instant::now());
        if freed_at.len() > self.slots.0.max_ahead {
            freed_at.pop_front();
        }
    }
}
