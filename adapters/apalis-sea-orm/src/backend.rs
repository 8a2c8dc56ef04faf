//! The apalis backend: delivers claimed jobs as apalis tasks, and runs a worker's background tasks.
//!
//! Implements `Backend` directly instead of using apalis' `Persisted`, which would drop a claim in
//! progress when a worker stops, and end the worker at the first failed statement.

mod claimed_jobs;
mod fetch;
mod handlers;
mod maintenance;
mod service;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::{Task, builder::TaskBuilder, task_id::TaskId},
    worker::context::WorkerContext,
};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use self::{claimed_jobs::ClaimedJobs, fetch::Fetch};
pub use self::{
    handlers::{Handled, Handlers, UnknownKind},
    service::{JobLayer, JobService},
};
use crate::{
    options::Options,
    queue::{claim::ClaimedJob, job_queue::JobQueue},
    waker::datagrams,
};

/// How long a stopping worker waits for a claim in progress, the release of jobs and its
/// deregistration together. A database that does not answer must not delay the stop for longer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The backend of an apalis worker: `WorkerBuilder::new("mail").backend(queue_backend)`.
///
/// Handlers take a [`ClaimedJob`] and return `()` or a `Result` whose value is `()`, an
/// [`AttemptOutcome`](crate::AttemptOutcome) or a [`Handled`]. No database error ends the worker.
///
/// The backend holds at most [`Options::concurrency`] jobs, so no concurrency layer is needed. It
/// catches panics; apalis' `catch_panic` layer would end a job at its first panic.
///
/// A handler of a queue with a [`Rate`](crate::Rate) calls [`JobQueue::wait_for_start`] immediately
/// before the work that the rate limits.
#[derive(Debug)]
pub struct QueueBackend {
    queue: JobQueue,
    claimed: ClaimedJobs,
    deliver_exhausted: bool,
    running: Option<Running>,
}

impl QueueBackend {
    /// Creates a backend. Each worker needs its own, and each run of a worker a new one.
    pub fn new(queue: JobQueue) -> Self {
        Self { queue, claimed: ClaimedJobs::default(), deliver_exhausted: false, running: None }
    }

    /// Delivers jobs whose attempts are used up to the handler, so that it can record their end. It
    /// must check [`ClaimedJob::exhausted`] and MUST NOT process them; if it returns that such a job
    /// is done, the job is dead. By default, they are settled as dead without calling the handler.
    #[must_use]
    pub fn deliver_exhausted(mut self) -> Self {
        self.deliver_exhausted = true;
        self
    }
}

/// The background tasks of a running worker.
#[derive(Debug)]
struct Running {
    /// Ends when the last claim has returned, unfinished jobs are released and the worker is
    /// deregistered.
    fetch: JoinHandle<()>,
    /// Stops all tasks, also when the worker is dropped.
    stop: DropGuard,
}

impl Running {
    fn start(backend: &QueueBackend, worker: &WorkerContext) -> Self {
        let stop = CancellationToken::new();
        let queue = || backend.queue.clone();
        tokio::spawn(maintenance::keep_leases(queue(), stop.clone()));
        tokio::spawn(maintenance::maintain(queue(), stop.clone()));
        let report = tokio::spawn(maintenance::report_worker(queue(), stop.clone()));
        tokio::spawn(datagrams::receive(Arc::clone(&backend.queue.options), stop.clone()));
        let fetch = Fetch {
            queue: queue(),
            held: backend.claimed.clone(),
            worker: worker.clone(),
            stop: stop.clone(),
        };
        let stopping = stop.clone();
        let fetch = async move {
            let orderly = async {
                fetch.run().await;
                let _ = report.await;
            };
            let overdue = async {
                stopping.cancelled().await;
                tokio::time::sleep(CLOSE_TIMEOUT).await;
            };
            tokio::select! {
                () = orderly => {}
                () = overdue => {
                    tracing::warn!("the database did not answer at the stop; claimed jobs are leased until their lease ends");
                }
            }
        };
        Self { fetch: tokio::spawn(fetch), stop: stop.drop_guard() }
    }
}

impl Backend for QueueBackend {
    type Task = Task<ClaimedJob>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        if self.running.is_none() {
            self.running = Some(Running::start(self, worker));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<ClaimedJob>, Infallible>>> {
        self.claimed.poll_next(cx).map(|job| Some(Ok(task(job))))
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        if let Some(running) = self.running.as_mut() {
            running.stop.token().cancel();
            let ended = ready!(Pin::new(&mut running.fetch).poll(cx));
            if let Err(error) = ended {
                tracing::error!(%error, "the task that claims jobs panicked");
            }
            self.running = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for QueueBackend {
    type Args = ClaimedJob;
    type Id = Uuid;
    type Kind = Ephemeral;
    type Config = Options;
    type Layer = JobLayer;

    fn config(&self) -> &Options {
        self.queue.options()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> JobLayer {
        JobLayer {
            queue: self.queue.clone(),
            claimed: self.claimed.clone(),
            deliver_exhausted: self.deliver_exhausted,
        }
    }
}

fn task(job: ClaimedJob) -> Task<ClaimedJob> {
    let id = TaskId::from_string(job.id.to_string());
    let before = job.number.saturating_sub(1) as usize;
    let (queue, max) = (job.queue.clone(), job.max_attempts as usize);
    TaskBuilder::new(job).task_id(id).queue(queue.into()).attempt(before).max_attempts(max).build()
}
