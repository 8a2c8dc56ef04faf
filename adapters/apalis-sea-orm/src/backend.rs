//! The apalis glue: claimed jobs as apalis tasks, and what a running worker does beside them.
//!
//! It implements apalis' `Backend` itself rather than through `Persisted`: that would forget a
//! claim under way when a worker stops, and end the worker at the first failed statement.

mod answer;
mod beats;
mod buffer;
mod fetch;
mod kinds;
mod outage;
mod perform;
mod presence;
mod settler;
mod tend;

use std::{
    collections::HashMap,
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

pub use self::{
    answer::{Answer, Handled},
    kinds::{Kinds, UnknownKind},
    perform::{Perform, PerformLayer},
};
use self::{
    buffer::{Buffer, Next},
    fetch::Fetch,
    perform::Begun,
    settler::{Settler, Unsettled},
};
use crate::{Claimed, Options, Queue};

/// The time that a claim under way, giving jobs back and signing off may take together once a worker
/// stops: a database that is silent must not keep it.
const CLOSE: Duration = Duration::from_secs(5);

/// The source of an apalis worker's tasks: `WorkerBuilder::new("mail").backend(queue_backend)`.
///
/// Handlers take the [`Claimed`] job and may return `()`, an [`Outcome`](crate::Outcome), a
/// [`Handled`], or a `Result` of one of these. No database error ends the worker. It holds at
/// most [`Options::concurrency`] jobs, so it needs no concurrency layer, and it catches panics by
/// itself: apalis' `catch_panic` would make each the end of its job.
#[derive(Debug)]
pub struct QueueBackend {
    queue: Queue,
    buffer: Buffer,
    begun: Begun,
    habits: Habits,
    timer: Option<Pin<Box<Sleep>>>,
    settler: Settler,
    unsettled: Option<Unsettled>,
    running: Option<Running>,
}

impl QueueBackend {
    /// A backend of that queue. Give each worker one, and each run of a worker a new one.
    pub fn new(queue: Queue) -> Self {
        let (settler, unsettled) = Settler::new(queue.clone());
        Self {
            queue,
            buffer: Buffer::default(),
            begun: Begun::default(),
            habits: Habits::default(),
            timer: None,
            settler,
            unsettled: Some(unsettled),
            running: None,
        }
    }

    /// Gives the handler jobs whose attempts are used up too, to record their end; it asks
    /// [`Claimed::exhausted`] and MUST NOT perform them. Otherwise they are settled as dead
    /// without being handed out.
    #[must_use]
    pub fn hand_out_exhausted(mut self) -> Self {
        self.habits.hand_out_exhausted = true;
        self
    }

    /// Leaves it to the handler to end jobs that are cancelled while it performs them: it hears of
    /// it by [`Lease::cancelled`](crate::Lease::cancelled). Otherwise its future is dropped where
    /// it waits, and the job is settled as cancelled; so handlers that settle want this.
    #[must_use]
    pub fn leave_cancelled(mut self) -> Self {
        self.habits.leave_cancelled = true;
        self
    }

    /// Hands jobs out before their start, so that handlers prepare what they can and wait for it by
    /// [`Queue::begin`] right before the work that the rate is for. Otherwise what they do first
    /// comes between the start and that work, and makes its pace uneven.
    #[must_use]
    pub fn leave_pacing(mut self) -> Self {
        self.habits.leave_pacing = true;
        self
    }

    /// Drops the handler's future when it has performed a job of that kind for so long. The
    /// attempt failed then, with the code `timed_out`. For handlers that settle: see
    /// [`leave_cancelled`](Self::leave_cancelled).
    #[must_use]
    pub fn timeout(mut self, kind: &str, after: Duration) -> Self {
        Arc::make_mut(&mut self.habits.timeouts).insert(kind.to_owned(), after);
        self
    }
}

/// What a worker was told about performing.
#[derive(Clone, Debug, Default)]
struct Habits {
    hand_out_exhausted: bool,
    leave_cancelled: bool,
    leave_pacing: bool,
    timeouts: Arc<HashMap<String, Duration>>,
}

/// What runs beside the worker from its first poll to its end.
#[derive(Debug)]
struct Running {
    /// Ends when a claim under way came back, what was not begun was given back, and the worker
    /// signed off.
    fetch: JoinHandle<()>,
    /// Ends the others too, even if the worker is dropped without being stopped.
    stop: DropGuard,
}

impl Running {
    fn start(backend: &mut QueueBackend, worker: &WorkerContext) -> Self {
        let stop = CancellationToken::new();
        let queue = || backend.queue.clone();
        tokio::spawn(beats::keep(queue(), stop.clone()));
        tokio::spawn(tend::tend(queue(), stop.clone()));
        if let Some(unsettled) = backend.unsettled.take() {
            tokio::spawn(unsettled.settle());
        }
        let presence = tokio::spawn(presence::keep(queue(), stop.clone()));
        let fetch = Fetch {
            queue: queue(),
            buffer: backend.buffer.clone(),
            begun: backend.begun.clone(),
            worker: worker.clone(),
            stop: stop.clone(),
        };
        let stopping = stop.clone();
        let fetch = async move {
            let orderly = async {
                fetch.run().await;
                let _ = presence.await;
            };
            let overdue = async {
                stopping.cancelled().await;
                tokio::time::sleep(CLOSE).await;
            };
            tokio::select! {
                () = orderly => {}
                () = overdue => {
                    tracing::warn!("stopped without the database; claimed jobs wait for their lease");
                }
            }
        };
        Self { fetch: tokio::spawn(fetch), stop: stop.drop_guard() }
    }
}

impl Backend for QueueBackend {
    type Task = Task<Claimed>;
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
    ) -> Poll<Option<Result<Task<Claimed>, Infallible>>> {
        loop {
            match ready!(self.buffer.poll_take(cx, self.habits.leave_pacing)) {
                Next::Job(job) => return Poll::Ready(Some(Ok(task(*job)))),
                Next::Late => self.queue.leases.stir(),
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
                tracing::error!(%error, "the queue's fetching ended badly");
            }
            self.running = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for QueueBackend {
    type Args = Claimed;
    type Id = Uuid;
    type Kind = Ephemeral;
    type Config = Options;
    type Layer = PerformLayer;

    fn config(&self) -> &Options {
        self.queue.options()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> PerformLayer {
        PerformLayer {
            settler: self.settler.clone(),
            begun: self.begun.clone(),
            habits: self.habits.clone(),
        }
    }
}

fn task(job: Claimed) -> Task<Claimed> {
    let id = TaskId::from_string(job.id.to_string());
    let before = job.number.saturating_sub(1) as usize;
    let (queue, most) = (job.queue.clone(), job.max_attempts as usize);
    TaskBuilder::new(job).task_id(id).queue(queue.into()).attempt(before).max_attempts(most).build()
}
