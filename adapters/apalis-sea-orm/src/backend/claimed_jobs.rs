//! The claimed jobs of a worker: those that wait for their handler, and those that are with it.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use uuid::Uuid;

use crate::queue::{claim::ClaimedJob, lease::lock};

/// Claimed jobs. Those that are not settled when the worker stops or is dropped are released.
#[derive(Clone, Debug, Default)]
pub(super) struct ClaimedJobs(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<VecDeque<ClaimedJob>>,
    /// Id and fence of the jobs whose handler was called and has not ended.
    started: Mutex<HashSet<(Uuid, i64)>>,
    worker: AtomicWaker,
}

impl ClaimedJobs {
    pub(super) fn push(&self, jobs: Vec<ClaimedJob>) {
        lock(&self.0.waiting).extend(jobs);
        self.0.worker.wake();
    }

    /// Removes all jobs that wait.
    pub(super) fn take_waiting(&self) -> Vec<ClaimedJob> {
        lock(&self.0.waiting).drain(..).collect()
    }

    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<ClaimedJob> {
        // Registered first, so that a job pushed after the check below wakes this task.
        self.0.worker.register(cx.waker());
        lock(&self.0.waiting).pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    pub(super) fn start(&self, lease: (Uuid, i64)) {
        lock(&self.0.started).insert(lease);
    }

    pub(super) fn end(&self, lease: (Uuid, i64)) {
        lock(&self.0.started).remove(&lease);
    }

    pub(super) fn started(&self) -> Vec<(Uuid, i64)> {
        lock(&self.0.started).iter().copied().collect()
    }
}
