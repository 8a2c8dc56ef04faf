//! `guestlist serve`: HTTP, and with `--worker` the worker in the same process.

use std::fmt::Display;
use std::process::ExitCode;

use axum::Router;
use clap::Args;
use guestlist_worker::shutdown::DRAIN;
use guestlist_worker::{Worker, build, listen};
use http_listener::{AllowedHosts, Options, share_of_descriptors};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::output::print;
use crate::config::Config;
use crate::router::router;
use crate::site::Project;
use crate::state::App;

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
    let connecting = build::connect(&config.common, stytch);
    let Some(built) = stop.run_until_cancelled(Box::pin(connecting)).await.transpose()? else {
        return Ok(ExitCode::SUCCESS);
    };
    let listener = listen(config.common.listen_addr, "LISTEN_ADDR").await?;
    config.warn_of_findings();
    let address = listener.local_addr()?;
    let public_url = config.common.public_url_at(address)?;
    let policy = config.common.policy(&public_url);
    let worker = if args.worker {
        Some(built.worker(policy.clone(), config.common.worker).await?)
    } else {
        None
    };
    let site = config.site(public_url, project, None);
    let public = &site.public_url;
    announce(format!("Guestlist listens on http://{address}, and people reach it at {public}"));
    let app = App::new(&config, built.ctx(policy), site, built.store().clone());
    Box::pin(run_all(app, listener, None, worker, stop)).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the addresses. A closed stdout does not stop the server.
pub fn announce(text: impl Display) {
    if let Err(error) = print(text) {
        tracing::warn!(%error, "what was started could not be printed");
    }
}

/// Runs HTTP, and the worker if there is one, until `stop` or until one of them ends. `hosts`, if
/// given, limits which `Host` headers are accepted.
pub async fn run_all(
    app: App,
    listener: TcpListener,
    hosts: Option<AllowedHosts>,
    worker: Option<Worker>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if let Some(worker) = &worker {
        app.set_worker_metrics(worker.metrics().clone());
    }
    let jobs = async {
        let Some(worker) = worker else { return Ok(()) };
        let ended = worker.run(stop.clone()).await;
        stop.cancel();
        ended
    };
    let routes = router(app.clone(), hosts)?;
    let (http, jobs) = tokio::join!(serve(app, listener, routes, stop.clone()), jobs);
    http.and(jobs)
}

async fn serve(
    app: App,
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let noting = tokio::spawn(app.clone().flush_periodically(stop.clone()));
    let options = Options { drain_timeout: DRAIN, ..Options::new(share_of_descriptors(2)) };
    guestlist_worker::serve(listener, routes, options, stop).await;
    noting.await?;
    // What the last requests have noted.
    app.flush_activity().await;
    Ok(())
}
