//! The worker: apalis runs it, the queue feeds it, the domain's jobs are what it does. It runs as
//! its own program, inside `guestlist dev`, and by `guestlist serve --worker`; any number may run.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod advice;
pub mod build;
mod circuit;
pub mod config;
mod escape;
mod health;
mod listener;
pub mod metrics;
mod no_provider;
mod protection;
mod runner;
mod schedule;
pub mod shutdown;
pub mod telemetry;
mod until_stopped;
mod watched;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use apalis::prelude::{Data, Monitor, WorkerBuilder};
use apalis_sea_orm::{Claimed, Handled, Options, Queue, QueueBackend, Rate};
use guestlist_database::{PROVIDER_RATE, SqlStore};
use guestlist_domain::{Clock, Ctx, Ids, MAX_RETRY_DELAY, Limit, Policy, QueueName, flows};
use guestlist_stytch::StytchProvider;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use advice::{Advice, advice};
pub use escape::{escape, is_unsafe};
pub use listener::{listen, serve};
pub use runner::{Kinds, Runner};
pub use schedule::Schedule;
pub use until_stopped::UntilStopped;

use build::Built;
use config::WorkerSettings;
use health::Health;
use metrics::Metrics;
use protection::Protection;
use shutdown::DRAIN;
use watched::Watched;

/// How long done and cancelled jobs can be looked at. Dead ones stay until somebody acts.
const DONE_JOBS_STAY: Duration = Duration::from_hours(7 * 24);

/// Every kind of job there is.
pub fn kinds() -> Kinds {
    Kinds::default()
        .with::<flows::SendInvitation>()
        .with::<flows::SendLoginLink>()
        .with::<flows::RevokeInvitation>()
        .with::<flows::RevokeSession>()
        .with::<flows::DeleteIdentity>()
        .with::<flows::CheckIdentity>()
        .with::<flows::Sweep>()
        .with::<flows::Reconcile>()
}

/// A worker that is ready to run: its address is bound.
#[derive(Debug)]
pub struct Worker {
    ctx: Ctx,
    queue: Queue,
    store: Arc<SqlStore>,
    provider: Arc<StytchProvider>,
    protection: Protection,
    metrics: Metrics,
    settings: WorkerSettings,
    listener: TcpListener,
}

impl Worker {
    /// Binds the worker's address and makes its queue.
    pub async fn bind(
        built: &Built,
        policy: Policy,
        settings: WorkerSettings,
    ) -> anyhow::Result<Self> {
        let listener = listen(settings.listen_addr, "WORKER_LISTEN_ADDR").await?;
        let ctx = built.ctx(policy);
        let (clock, url) = (Arc::clone(&ctx.clock), ctx.policy.authenticate_url.clone());
        let protection = Protection::new(clock, per_second(settings.rate_limit), url);
        let metrics = Metrics::default();
        let watched = Watched::new(Arc::clone(&ctx.provider), protection.clone(), metrics.clone());
        let ctx = Ctx { provider: Arc::new(watched), ..ctx };
        let queue = queue(&ctx, built, &protection, &settings);
        let (store, provider) = (Arc::clone(built.store()), Arc::clone(built.provider()));
        Ok(Self { ctx, queue, store, provider, protection, metrics, settings, listener })
    }

    /// `http://127.0.0.1:3001`, or wherever it was bound to.
    pub fn url(&self) -> anyhow::Result<String> {
        Ok(format!("http://{}", self.listener.local_addr()?))
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Works until `stop`, and then until running jobs have ended, for at most [`DRAIN`].
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { ctx, queue, store, provider, protection, metrics, settings, listener } = self;
        let worker = queue.options().worker.clone();
        tracing::info!(%worker, concurrency = settings.concurrency, "the worker is up");
        let (protected, counted) = (protection.clone(), metrics.clone());
        let database = store.database().clone();
        let (ctx_of_jobs, queue_of_jobs) = (ctx.clone(), queue.clone());
        let runner =
            Runner::new(ctx_of_jobs, queue_of_jobs, kinds(), protected, counted, database.clone());
        let protecting = protection.clone().keep(queue.clone(), database, provider, stop.clone());
        // Neither has anything to finish, and a database that is silent must not keep them.
        let protecting = stop.run_until_cancelled(protecting);
        let jobs = async {
            let ended = Box::pin(work(runner, queue, stop.clone())).await;
            // Whatever ended them, the others are not to outlive them.
            stop.cancel();
            ended
        };
        let health = Health { ctx: ctx.clone(), store, protection, metrics };
        let health = health.serve(listener, stop.clone());
        let schedule = schedule::keep_schedule(ctx, settings.schedule, stop.clone());
        let schedule = stop.run_until_cancelled(schedule);
        let (jobs, health, _, _) = tokio::join!(jobs, health, schedule, protecting);
        jobs.and(health.context("the worker's own address"))
    }
}

async fn work(runner: Runner, queue: Queue, stop: CancellationToken) -> anyhow::Result<()> {
    let runner = Arc::new(runner);
    Monitor::new()
        .shutdown_timeout(DRAIN)
        .register(move |_| {
            // What a cancelled job does at Stytch is done: it ends by itself, and is not tried
            // again.
            let backend = QueueBackend::new(queue.clone()).hand_out_exhausted().leave_cancelled();
            // A job reads the database first; its turn is that of its call.
            let backend = backend.leave_pacing();
            WorkerBuilder::new("guestlist").backend(backend).data(Arc::clone(&runner)).build(handle)
        })
        .run_with_signal(async move {
            stop.cancelled().await;
            Ok(())
        })
        .await
        .context("the worker")
}

async fn handle(job: Claimed, runner: Data<Arc<Runner>>) -> Handled {
    runner.run(&job).await;
    Handled::Settled
}

fn queue(ctx: &Ctx, built: &Built, protection: &Protection, settings: &WorkerSettings) -> Queue {
    let (clock, ids) = (Arc::clone(&ctx.clock), Arc::clone(&ctx.ids));
    let name = format!("{}-{}", std::process::id(), ids.next().simple());
    let names = |queues: &mut dyn Iterator<Item = &QueueName>| -> Vec<String> {
        queues.map(ToString::to_string).collect()
    };
    let rate = Rate {
        name: PROVIDER_RATE.to_owned(),
        queues: names(&mut QueueName::ALL.iter().filter(|queue| queue.calls_provider())),
        per_second: per_second(settings.rate_limit),
    };
    let protection = protection.clone();
    let database = built.database.clone();
    let options = Options {
        concurrency: settings.concurrency,
        limits: limits(settings.concurrency),
        waker: built.waker.clone(),
        rate: Some(rate),
        retention: Some(DONE_JOBS_STAY),
        on_error: Arc::new(move |error| database.note_error(error)),
        longest_pause: Some(MAX_RETRY_DELAY),
        info: Arc::new(move || serde_json::to_string(&protection.report()).ok()),
        clock: Arc::new(move || Clock::now(&*clock)),
        ids: Arc::new(move || Ids::next(&*ids)),
        ..Options::new(name, names(&mut QueueName::ALL.iter()))
    };
    Queue::new(built.database.write().pool().clone(), built.database.read().pool().clone(), options)
}

/// A tenth of the slots is for whatever else is to be done: who logs in must not wait for fifty
/// invitations that hang.
fn limits(concurrency: usize) -> HashMap<String, usize> {
    let most = concurrency - concurrency / 10;
    let queues = [QueueName::Invitation, QueueName::Provider];
    queues.iter().map(|queue| (queue.to_string(), most)).collect()
}

fn per_second(limit: Limit) -> f64 {
    f64::from(limit.count) / limit.per.as_secs_f64()
}
