//! The apalis backend: delivers claimed jobs as apalis tasks, and runs a worker's background tasks.
//!
//! Implements `Backend` directly instead of using apalis' `Persisted`, which would drop a claim in
//! progress when a worker stops, and end the worker at the first failed statement.

mod attempt;
mod buffer;
mod fetch;
mod handler_output;
mod handlers;
mod heartbeat;
mod maintenance;
mod outage;
mod service;
mod settler;

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
use tokio::{task::JoinHandle, time::Sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use self::{
    buffer::{Buffer, Next, StartedJobs},
    fetch::Fetch,
    service::HandlerOptions,
    settler::{ResultWriter, Settler},
};
pub use self::{
    handler_output::{Handled, HandlerOutput, UnknownKind},
    handlers::Handlers,
    service::{JobLayer, JobService},
};
use crate::{
    options::Options,
    queue::{claim::ClaimedJob, job_queue::JobQueue},
};

/// How long a stopping worker waits for a claim in progress, the release of jobs and its
/// deregistration together. A database that does not answer must not delay the stop for longer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The backend of an apalis worker: `WorkerBuilder::new("mail").backend(queue_backend)`.
///
/// Handlers take a [`ClaimedJob`] and return `()`, an [`AttemptOutcome`](crate::AttemptOutcome), a
/// [`Handled`], or a `Result` of one of these. No database error ends the worker.
///
/// The backend holds at most [`Options::concurrency`] jobs, so no concurrency layer is needed. It
/// catches panics; apalis' `catch_panic` layer would end a job at its first panic.
#[derive(Debug)]
pub struct QueueBackend {
    queue: JobQueue,
    buffer: Buffer,
    started: StartedJobs,
    handler_options: HandlerOptions,
    timer: Option<Pin<Box<Sleep>>>,
    settler: Settler,
    result_writer: Option<ResultWriter>,
    running: Option<Running>,
}

impl QueueBackend {
    /// Creates a backend. Each worker needs its own, and each run of a worker a new one.
    pub fn new(queue: JobQueue) -> Self {
        let (settler, result_writer) = Settler::new(queue.clone());
        Self {
            queue,
            buffer: Buffer::default(),
            started: StartedJobs::default(),
            handler_options: HandlerOptions::default(),
            timer: None,
            settler,
            result_writer: Some(result_writer),
            running: None,
        }
    }

    /// Delivers jobs whose attempts are used up to the handler, so that it can record their end. It
    /// must check [`ClaimedJob::exhausted`] and MUST NOT process them. By default, they are settled
    /// as dead without calling the handler.
    #[must_use]
    pub fn deliver_exhausted(mut self) -> Self {
        self.handler_options.deliver_exhausted = true;
        self
    }

    /// Lets the handler end jobs that are cancelled while they run, which it learns from
    /// [`JobLease::cancelled`](crate::JobLease::cancelled). By default, the handler's future is
    /// dropped and the job is settled as cancelled. Handlers that settle jobs themselves need this.
    #[must_use]
    pub fn manual_cancellation(mut self) -> Self {
        self.handler_options.manual_cancellation = true;
        self
    }

    /// Delivers jobs before their start, so that the handler can prepare and then call
    /// [`JobQueue::wait_for_start`] immediately before the work that the rate limits. By default,
    /// the time that preparation takes lies between the start and that work, and makes its rate
    /// uneven.
    #[must_use]
    pub fn manual_pacing(mut self) -> Self {
        self.handler_options.manual_pacing = true;
        self
    }

    /// Drops the handler's future when a job of this kind has run for `after`; the attempt fails
    /// with the code `timed_out`. For handlers that settle jobs themselves, see
    /// [`manual_cancellation`](Self::manual_cancellation).
    #[must_use]
    pub fn timeout(mut self, kind: &str, after: Duration) -> Self {
        Arc::make_mut(&mut self.handler_options.timeouts).insert(kind.to_owned(), after);
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
    fn start(backend: &mut QueueBackend, worker: &WorkerContext) -> Self {
        let stop = CancellationToken::new();
        let queue = || backend.queue.clone();
        tokio::spawn(heartbeat::keep_leases(queue(), stop.clone()));
        tokio::spawn(maintenance::maintain(queue(), stop.clone()));
        if let Some(writer) = backend.result_writer.take() {
            tokio::spawn(writer.run());
        }
        let report = tokio::spawn(heartbeat::report_worker(queue(), stop.clone()));
        let fetch = Fetch {
            queue: queue(),
            buffer: backend.buffer.clone(),
            started: backend.started.clone(),
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
        loop {
            match ready!(self.buffer.poll_next(cx, self.handler_options.manual_pacing)) {
                Next::Job(job) => return Poll::Ready(Some(Ok(task(*job)))),
                Next::MissedStart => self.queue.leases.notify(),
                Next::At(start) => {
                    let timer = self.timer.insert(Box::pin(tokio::time::sleep_until(start.into())));
                    ready!(timer.as_mut().poll(cx));
                }
            }
        }
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
            settler: self.settler.clone(),
            started: self.started.clone(),
            options: self.handler_options.clone(),
        }
    }
}

fn task(job: ClaimedJob) -> Task<ClaimedJob> {
    let id = TaskId::from_string(job.id.to_string());
    let before = job.number.saturating_sub(1) as usize;
    let (queue, max) = (job.queue.clone(), job.max_attempts as usize);
    TaskBuilder::new(job).task_id(id).queue(queue.into()).attempt(before).max_attempts(max).build()
}
