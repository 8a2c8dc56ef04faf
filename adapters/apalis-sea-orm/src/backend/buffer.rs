//! Claimed jobs on their way to the worker, each handed out when its start has come.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use futures::task::AtomicWaker;

use crate::Claimed;

#[derive(Clone, Debug, Default)]
pub(super) struct Buffer(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    jobs: Mutex<VecDeque<Claimed>>,
    late: Mutex<Vec<Claimed>>,
    worker: AtomicWaker,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    Job(Box<Claimed>),
    /// A job that missed its start was put aside.
    Late,
    /// Nothing before then.
    At(Instant),
}

impl Buffer {
    pub(super) fn put(&self, jobs: Vec<Claimed>) {
        self.jobs().extend(jobs);
        self.0.worker.wake();
    }

    /// What nobody has begun.
    pub(super) fn take_all(&self) -> Vec<Claimed> {
        let mut all = self.take_late();
        all.extend(self.jobs().drain(..));
        all
    }

    /// What missed its start, and needs another.
    pub(super) fn take_late(&self) -> Vec<Claimed> {
        std::mem::take(&mut *self.late())
    }

    pub(super) fn keep_late(&self, jobs: Vec<Claimed>) {
        self.late().extend(jobs);
    }

    fn late(&self) -> MutexGuard<'_, Vec<Claimed>> {
        self.0.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job whose start has come, or when the next start is; the next job, where handlers
    /// wait for its start.
    pub(super) fn poll_take(&self, cx: &Context<'_>, leave_pacing: bool) -> Poll<Next> {
        // Registered first: a job put between the look and the registering would wait for the
        // next one.
        self.0.worker.register(cx.waker());
        let now = Instant::now();
        let mut jobs = self.jobs();
        let due = |job: &Claimed| leave_pacing || job.start_at().is_none_or(|at| at <= now);
        match jobs.iter().position(due).and_then(|due| jobs.remove(due)) {
            Some(job) if !leave_pacing && job.is_late() => {
                self.late().push(job);
                Poll::Ready(Next::Late)
            }
            Some(job) => Poll::Ready(Next::Job(Box::new(job))),
            None => match jobs.iter().filter_map(Claimed::start_at).min() {
                Some(at) => Poll::Ready(Next::At(at)),
                None => Poll::Pending,
            },
        }
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Claimed>> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
