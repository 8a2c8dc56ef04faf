//! `guestlist serve`: the HTTP server, and with `--worker` a worker in the same process.

use std::fmt::Display;
use std::process::ExitCode;

use axum::Router;
use clap::Args;
use guestlist_worker::Worker;
use guestlist_worker::setup::bootstrap;
use guestlist_worker::setup::listener::listen;
use guestlist_worker::setup::shutdown::DRAIN_TIMEOUT;
use http_listener::{AllowedHosts, Options, share_of_descriptors};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::output::print;
use crate::config::{Config, StytchProject};
use crate::router::router;
use crate::state::App;

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Run a worker in the same process
    #[arg(long)]
    worker: bool,
}

/// Serves until `stop`.
pub async fn run(
    config: &Config,
    stytch: guestlist_stytch::Options,
    args: &ServeArgs,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let project = StytchProject::from(&stytch);
    let connecting = bootstrap::connect(&config.common, stytch);
    let Some(built) = stop.run_until_cancelled(Box::pin(connecting)).await.transpose()? else {
        return Ok(ExitCode::SUCCESS);
    };
    let listener = listen(config.common.listen_addr, "LISTEN_ADDR").await?;
    config.log_warnings();
    let address = listener.local_addr()?;
    let public_url = config.common.public_url_at(address)?;
    let policy = config.common.policy(&public_url);
    let worker = if args.worker {
        Some(guestlist_worker::Worker::bind(&built, policy.clone(), config.common.worker).await?)
    } else {
        tokio::spawn(built.wake_other_processes());
        None
    };
    let site = config.site(public_url, project, None);
    print_banner(format!("Guestlist listens on http://{address}, public URL {}", site.public_url));
    let app = App::new(config, built.ctx(policy), site, built.store.clone());
    Box::pin(run_servers(app, listener, None, worker, stop)).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the addresses. A closed stdout does not stop the server.
pub fn print_banner(text: impl Display) {
    if let Err(error) = print(text) {
        tracing::warn!(%error, "the addresses could not be printed");
    }
}

/// Runs the HTTP server, and the worker if there is one, until `stop` or until one of them ends.
///
/// `hosts` limits the accepted `Host` headers.
pub async fn run_servers(
    app: App,
    listener: TcpListener,
    hosts: Option<AllowedHosts>,
    worker: Option<Worker>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if let Some(worker) = &worker {
        let _ = app.worker_metrics.set(worker.metrics().clone());
    }
    let routes = router(app.clone(), hosts)?;
    let worker = async {
        let Some(worker) = worker else { return Ok(()) };
        let result = worker.run(stop.clone()).await;
        stop.cancel();
        result
    };
    let (http, worker) = tokio::join!(serve(app, listener, routes, stop.clone()), worker);
    http.and(worker)
}

async fn serve(
    app: App,
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let flusher = tokio::spawn(app.clone().flush_periodically(stop.clone()));
    let options = Options { drain_timeout: DRAIN_TIMEOUT, ..Options::new(share_of_descriptors(2)) };
    guestlist_worker::setup::listener::serve(listener, routes, options, stop).await;
    flusher.await?;
    // Requests that finished during the shutdown may have added updates.
    app.flush_activity().await;
    Ok(())
}
