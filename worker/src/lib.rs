//! The worker: apalis runs it, the queue feeds it, the domain's jobs are what it does. It runs as
//! its own program, inside `guestlist dev`, and by `guestlist serve --worker`; any number may run.

pub mod build;
pub mod config;
mod health;
mod no_provider;
mod runner;
mod schedule;
pub mod telemetry;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use apalis::prelude::{Data, Monitor, WorkerBuilder};
use apalis_sea_orm::{Claimed, Handled, Options, Queue, QueueBackend, Waker};
use guestlist_database::Database;
use guestlist_domain::{Clock, Ctx, Ids, Queue as QueueName, flows};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use runner::{Kinds, Runner};

use config::WorkerSettings;

/// How long running jobs may take to finish once the worker is told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// Every kind of job there is.
pub fn kinds() -> Kinds {
    Kinds::default()
        .with::<flows::SendInvite>()
        .with::<flows::SendLogin>()
        .with::<flows::RevokeInvite>()
        .with::<flows::RevokeSession>()
        .with::<flows::DeleteUser>()
        .with::<flows::Sweep>()
}

/// A worker that is ready to run: its address is bound.
#[derive(Debug)]
pub struct Worker {
    ctx: Ctx,
    queue: Queue,
    settings: WorkerSettings,
    listener: TcpListener,
}

impl Worker {
    /// Binds the worker's address and makes its queue.
    pub async fn bind(
        ctx: Ctx,
        database: &Database,
        waker: Waker,
        settings: WorkerSettings,
    ) -> anyhow::Result<Self> {
        let listener = listen(settings.listen_addr, "WORKER_LISTEN_ADDR").await?;
        let queue = queue(&ctx, database, waker, &settings);
        Ok(Self { ctx, queue, settings, listener })
    }

    /// `http://127.0.0.1:3001`, or wherever it was bound to.
    pub fn url(&self) -> anyhow::Result<String> {
        Ok(format!("http://{}", self.listener.local_addr()?))
    }

    /// Works until told to stop, and then until running jobs are done, at most 30 s.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { ctx, queue, settings, listener } = self;
        let worker = queue.options().worker.clone();
        tracing::info!(%worker, concurrency = settings.concurrency, "the worker is up");
        let jobs = async {
            let ended = work(ctx.clone(), queue, worker, stop.clone()).await;
            // Whatever ended them, the others are not to outlive them.
            stop.cancel();
            ended
        };
        let health = health::serve(ctx.clone(), listener, stop.clone());
        let schedule = schedule::keep_schedule(ctx.clone(), settings.sweep_interval, stop.clone());
        let (jobs, health, ()) = tokio::join!(jobs, health, schedule);
        jobs.and(health.context("the worker's own address"))
    }
}

async fn work(
    ctx: Ctx,
    queue: Queue,
    worker: String,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let runner = Arc::new(Runner::new(ctx, worker, kinds()));
    Monitor::new()
        .shutdown_timeout(DRAIN)
        .register(move |_| {
            WorkerBuilder::new("guestlist")
                .backend(QueueBackend::new(queue.clone()).hand_out_exhausted())
                .data(Arc::clone(&runner))
                .build(handle)
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

fn queue(ctx: &Ctx, database: &Database, waker: Waker, settings: &WorkerSettings) -> Queue {
    let (clock, ids) = (Arc::clone(&ctx.clock), Arc::clone(&ctx.ids));
    let name = format!("{}-{}", std::process::id(), ids.next().simple());
    let options = Options {
        concurrency: settings.concurrency,
        waker,
        clock: Arc::new(move || Clock::now(&*clock)),
        ids: Arc::new(move || Ids::next(&*ids)),
        ..Options::new(name, QueueName::ALL.iter().map(|queue| queue.as_str()))
    };
    Queue::new(database.write().clone(), database.read().clone(), options)
}

/// Binds an address; where that fails, says which, and what to do about it.
pub async fn listen(address: std::net::SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            anyhow::anyhow!("{address} is in use; stop what listens there, or set {variable}")
        } else {
            anyhow::anyhow!("can't listen on {address}: {error}; set {variable}")
        }
    })
}
