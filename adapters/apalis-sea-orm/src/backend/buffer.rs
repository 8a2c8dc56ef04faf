//! Claimed jobs that wait for their handler, and those that are with it.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use futures::task::AtomicWaker;
use uuid::Uuid;

use crate::queue::claim::ClaimedJob;

/// Claimed jobs, each delivered when its start has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffer(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    jobs: Mutex<VecDeque<ClaimedJob>>,
    late: Mutex<Vec<ClaimedJob>>,
    worker: AtomicWaker,
}

#[derive(Debug)]
pub(super) enum Next {
    Job(Box<ClaimedJob>),
    /// A job that missed its start was put aside.
    MissedStart,
    /// No job starts before this instant.
    At(Instant),
}

impl Buffer {
    pub(super) fn push(&self, jobs: Vec<ClaimedJob>) {
        self.jobs().extend(jobs);
        self.0.worker.wake();
    }

    /// Removes all jobs.
    pub(super) fn take_all(&self) -> Vec<ClaimedJob> {
        let mut all = self.take_late();
        all.extend(self.jobs().drain(..));
        all
    }

    /// Removes the jobs that missed their start and need another.
    pub(super) fn take_late(&self) -> Vec<ClaimedJob> {
        std::mem::take(&mut *self.late())
    }

    pub(super) fn push_late(&self, jobs: Vec<ClaimedJob>) {
        self.late().extend(jobs);
    }

    fn late(&self) -> MutexGuard<'_, Vec<ClaimedJob>> {
        self.0.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls for the next job whose start has come; with `manual_pacing`, for the next job.
    pub(super) fn poll_next(&self, cx: &Context<'_>, manual_pacing: bool) -> Poll<Next> {
        // Registered first, so that a job pushed after the check below wakes this task.
        self.0.worker.register(cx.waker());
        let now = Instant::now();
        let mut jobs = self.jobs();
        let is_due = |job: &ClaimedJob| manual_pacing || job.start_at().is_none_or(|at| at <= now);
        match jobs.iter().position(is_due).and_then(|due| jobs.remove(due)) {
            Some(job) if !manual_pacing && job.missed_start() => {
                self.late().push(job);
                Poll::Ready(Next::MissedStart)
            }
            Some(job) => Poll::Ready(Next::Job(Box::new(job))),
            None => match jobs.iter().filter_map(ClaimedJob::start_at).min() {
                Some(at) => Poll::Ready(Next::At(at)),
                None => Poll::Pending,
            },
        }
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<ClaimedJob>> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Jobs (id and fence) whose handler was called and whose result is not written yet. They are
/// released if the worker is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct StartedJobs(Arc<Mutex<HashSet<(Uuid, i64)>>>);

impl StartedJobs {
    pub(super) fn all(&self) -> Vec<(Uuid, i64)> {
        self.lock().iter().copied().collect()
    }

    pub(super) fn insert(&self, lease: (Uuid, i64)) {
        self.lock().insert(lease);
    }

    pub(super) fn remove(&self, lease: (Uuid, i64)) {
        self.lock().remove(&lease);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(Uuid, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
