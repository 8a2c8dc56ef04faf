//! `guestlist serve`: HTTP, and with `--worker` the worker in the same process.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use guestlist_worker::{Worker, build, listen};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::http::{App, keep_noting, router};
use crate::site::Project;

/// How long requests may take to finish once the program is told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// What `serve` is told.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Run the worker in this process too
    #[arg(long)]
    worker: bool,
}

/// Serves until told to stop.
pub async fn run(
    config: Config,
    stytch: guestlist_stytch::Options,
    args: ServeArgs,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let project = Project::from(&stytch);
    let built = build::connect(&config.common, stytch).await?;
    let listener = listen(config.common.listen_addr, "LISTEN_ADDR").await?;
    let address = listener.local_addr()?;
    let public_url = config.common.public_url_at(address)?;
    let policy = config.common.policy(&public_url);
    let worker = if args.worker {
        Some(built.worker(policy.clone(), config.common.worker).await?)
    } else {
        None
    };
    let site = config.site(public_url, project, None);
    println!("Guestlist listens on http://{address}, and people reach it at {}", site.public_url);
    let app = App::new(&config, built.ctx(policy), site, built.store().clone());
    run_all(app, listener, worker, stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// HTTP and, where there is one, the worker: until told to stop, or until one of them ends.
pub async fn run_all(
    app: App,
    listener: TcpListener,
    worker: Option<Worker>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if let Some(worker) = &worker {
        app.note_worker(worker.metrics().clone());
    }
    let jobs = async {
        let Some(worker) = worker else { return Ok(()) };
        let ended = worker.run(stop.clone()).await;
        stop.cancel();
        ended
    };
    let (http, jobs) = tokio::join!(serve(app, listener, stop.clone()), jobs);
    http.and(jobs)
}

async fn serve(app: App, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    let noting = tokio::spawn(keep_noting(app.clone(), stop.clone()));
    let routes = router(app)?.into_make_service_with_connect_info::<SocketAddr>();
    let stopping = stop.clone().cancelled_owned();
    let requests = axum::serve(listener, routes).with_graceful_shutdown(stopping);
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    let ended = tokio::select! {
        ended = requests.into_future() => ended,
        () = patience => Ok(()),
    };
    stop.cancel();
    noting.await?;
    Ok(ended?)
}
