//! Claimed jobs on their way to the worker.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::task::AtomicWaker;

use crate::Claimed;

#[derive(Clone, Debug, Default)]
pub(super) struct Buffer(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    jobs: Mutex<VecDeque<Claimed>>,
    worker: AtomicWaker,
}

impl Buffer {
    pub(super) fn put(&self, jobs: Vec<Claimed>) {
        self.jobs().extend(jobs);
        self.0.worker.wake();
    }

    /// What nobody has begun.
    pub(super) fn take_all(&self) -> Vec<Claimed> {
        self.jobs().drain(..).collect()
    }

    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<Claimed> {
        // Registered first: a job put between the look and the registering would wait for the
        // next one.
        self.0.worker.register(cx.waker());
        self.jobs().pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Claimed>> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
