//! Guestlist's worker: claims jobs from the queue, runs the domain's handlers, and protects the
//! identity provider. It runs as a program of its own, in `guestlist dev`, and with
//! `guestlist serve --worker`. Any number of workers may run.
//!
//! [`setup`] contains what the worker and the application share: configuration, bootstrap,
//! shutdown, logs and the HTTP listener.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod health;
pub mod metrics;
mod provider_guard;
mod runner;
mod schedule;
pub mod setup;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use apalis::prelude::{BoxDynError, Data, Monitor, WorkerBuilder};
use apalis_sea_orm::{
    ClaimedJob, Handled, Handlers, JobQueue, Options, QueueBackend, QueueLimit, Rate, UnknownKind,
};
use guestlist_database::PROVIDER_RATE;
use guestlist_domain::{Clock, Ctx, Ids, Limit, MAX_RETRY_DELAY, Policy, QueueName, jobs};
use mimalloc::MiMalloc;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

use health::HealthServer;
use metrics::Metrics;
use provider_guard::ProviderGuard;
use provider_guard::instrumented_provider::InstrumentedProvider;
use runner::JobRunner;
use setup::bootstrap::Services;
use setup::config::WorkerSettings;
use setup::listener::{bind_udp, listen};
use setup::shutdown::DRAIN_TIMEOUT;

pub use provider_guard::remediation::{Remediation, remediation};

/// The allocator of every program that contains the worker: a sixth of their time was spent in the
/// system's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long done and cancelled jobs are kept. Dead jobs are kept until an operator acts.
const FINISHED_JOB_RETENTION: Duration = Duration::from_hours(7 * 24);

/// A worker whose listener is bound and that is ready to run.
#[derive(Debug)]
pub struct Worker {
    runner: Arc<JobRunner>,
    services: Services,
    settings: WorkerSettings,
    listener: TcpListener,
}

impl Worker {
    /// Binds the worker's listener and its socket for wakes, and creates its queue.
    pub async fn bind(
        services: &Services,
        policy: Policy,
        settings: WorkerSettings,
    ) -> anyhow::Result<Self> {
        let listener = listen(settings.worker_listen_addr, "WORKER_LISTEN_ADDR").await?;
        let wake_socket = bind_udp(settings.worker_wake_addr, "WORKER_WAKE_ADDR").await?;
        let ctx = services.ctx(policy);
        let (clock, url) = (Arc::clone(&ctx.clock), ctx.policy.authenticate_url.clone());
        let guard = ProviderGuard::new(clock, per_second(settings.stytch_rate_limit), url);
        let metrics = Metrics::default();
        let provider = Arc::new(InstrumentedProvider {
            provider: ctx.provider,
            guard: guard.clone(),
            metrics: metrics.clone(),
        });
        let ctx = Ctx { provider, ..ctx };
        let queue = queue(&ctx, services, &guard, &settings, wake_socket);
        let database = services.database.clone();
        let runner = Arc::new(JobRunner { ctx, queue, guard, metrics, database });
        Ok(Self { runner, services: services.clone(), settings, listener })
    }

    /// The listener's URL, for example `http://127.0.0.1:3001`.
    pub fn url(&self) -> anyhow::Result<String> {
        Ok(format!("http://{}", self.listener.local_addr()?))
    }

    pub fn metrics(&self) -> &Metrics {
        &self.runner.metrics
    }

    /// Runs until `stop`, and then until running jobs have ended, for at most [`DRAIN_TIMEOUT`].
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { runner, services, settings, listener } = self;
        let JobRunner { ctx, queue, guard, metrics, database } = JobRunner::clone(&runner);
        let worker = queue.options().worker.clone();
        tracing::info!(%worker, concurrency = settings.worker_concurrency, "worker started");
        // Watching the provider and scheduling have nothing to finish, and an unresponsive database
        // must not delay the stop.
        let provider = services.provider;
        let watch_provider = guard.clone().run(queue.clone(), database, provider, stop.clone());
        let watch_provider = stop.run_until_cancelled(watch_provider);
        let schedule = schedule::run(ctx.clone(), settings, stop.clone());
        let schedule = stop.run_until_cancelled(schedule);
        let jobs = async {
            let metrics = runner.metrics.clone();
            let jobs = run_jobs(handlers(&runner), metrics, queue, stop.clone());
            let result = Box::pin(jobs).await;
            // The other tasks must end with this one, for any reason.
            stop.cancel();
            result
        };
        let health = HealthServer { ctx, store: services.store, guard, metrics };
        let health = health.serve(listener, stop.clone());
        let (jobs, health, ..) = tokio::join!(jobs, health, schedule, watch_provider);
        jobs.and(health.context("the worker's listener"))
    }
}

/// The handlers of all kinds of jobs.
fn handlers(runner: &Arc<JobRunner>) -> Handlers {
    let handlers = runner.register::<jobs::SendInvitation>(Handlers::default());
    let handlers = runner.register::<jobs::SendLoginLink>(handlers);
    let handlers = runner.register::<jobs::RevokeInvitation>(handlers);
    let handlers = runner.register::<jobs::RevokeSession>(handlers);
    let handlers = runner.register::<jobs::DeleteIdentity>(handlers);
    let handlers = runner.register::<jobs::CheckIdentity>(handlers);
    let handlers = runner.register::<jobs::Sweep>(handlers);
    runner.register::<jobs::Reconcile>(handlers)
}

async fn run_jobs(
    handlers: Handlers,
    metrics: Metrics,
    queue: JobQueue,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    Monitor::new()
        .shutdown_timeout(DRAIN_TIMEOUT)
        .register(move |_| {
            let backend = QueueBackend::new(queue.clone()).deliver_exhausted();
            WorkerBuilder::new("guestlist")
                .backend(backend)
                .data(handlers.clone())
                .data(metrics.clone())
                .build(handle)
        })
        .run_with_signal(async move {
            stop.cancelled().await;
            Ok(())
        })
        .await
        .context("the worker")
}

async fn handle(
    job: ClaimedJob,
    handlers: Data<Handlers>,
    metrics: Data<Metrics>,
) -> Result<Handled, BoxDynError> {
    let wait = job.started_at.duration_since(job.run_at).try_into().unwrap_or_default();
    metrics.record_wait(&job.queue, wait);
    let kind = job.kind.clone();
    let result = handlers.handle(job).await;
    result.inspect_err(|error| {
        if error.is::<UnknownKind>() {
            metrics.record_unknown_kind(&kind);
        }
    })
}

fn queue(
    ctx: &Ctx,
    services: &Services,
    guard: &ProviderGuard,
    settings: &WorkerSettings,
    wake_socket: UdpSocket,
) -> JobQueue {
    let (clock, ids) = (Arc::clone(&ctx.clock), Arc::clone(&ctx.ids));
    let name = format!("{}-{}", std::process::id(), ids.next().simple());
    let rated = QueueName::ALL.iter().filter(|queue| queue.calls_provider());
    let rate = Rate {
        name: PROVIDER_RATE.to_owned(),
        queues: rated.map(ToString::to_string).collect(),
        per_second: per_second(settings.stytch_rate_limit),
    };
    // Invitations that Stytch does not answer must not keep logins waiting.
    let concurrency = settings.worker_concurrency;
    let limited = [QueueName::Invitation, QueueName::Provider].map(|queue| queue.to_string());
    let limit = QueueLimit { queues: limited.into(), jobs: concurrency };
    let guard = guard.clone();
    let database = services.database.clone();
    let options = Options {
        concurrency: concurrency + concurrency.div_ceil(10),
        limits: vec![limit],
        waker: services.waker.clone(),
        wake_socket: Some(Arc::new(wake_socket)),
        rate: Some(rate),
        retention: Some(FINISHED_JOB_RETENTION),
        on_error: Arc::new(move |error| database.record_error(error)),
        max_delay: Some(MAX_RETRY_DELAY),
        info: Arc::new(move || serde_json::to_string(&guard.report()).ok()),
        clock: Arc::new(move || Clock::now(&*clock)),
        ids: Arc::new(move || Ids::next(&*ids)),
        ..Options::new(name, QueueName::ALL.iter().map(ToString::to_string))
    };
    let (write, read) = (services.database.write().pool(), services.database.read().pool());
    JobQueue::new(write.clone(), read.clone(), options)
}

fn per_second(limit: Limit) -> f64 {
    f64::from(limit.count) / limit.per.as_secs_f64()
}
