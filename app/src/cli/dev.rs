//! `guestlist dev`: everything in one process, with nothing to install and no account.

mod sandbox;
mod state;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use guestlist_domain::{Email, flows};
use guestlist_worker::setup::bootstrap::Services;
use guestlist_worker::setup::config::Common;
use guestlist_worker::setup::listener::listen;
use http_listener::AllowedHosts;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::sandbox::SandboxAddressArgs;
use self::state::DevState;
use super::serve::{print_banner, run_servers};
use crate::config::{Config, StytchProject};
use crate::state::App;

/// The administrator if `ADMIN_EMAILS` is not set.
const DEFAULT_ADMIN: &str = "admin@example.com";

#[derive(Debug, Args)]
pub struct DevArgs {
    /// Print URLs and credentials as one line of JSON
    #[arg(long)]
    json: bool,
    /// Allow addresses that other machines can reach; anyone who can reach them can log in as any
    /// user
    #[arg(long)]
    expose: bool,
    #[command(flatten)]
    sandbox: SandboxAddressArgs,
}

/// Runs until `stop`.
pub async fn run(
    mut config: Config,
    args: &DevArgs,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let admin = apply_defaults(&mut config.common)?;
    check_exposure(&config.common, args)?;
    let listener = listen(config.common.listen_addr, "LISTEN_ADDR").await?;
    let address = listener.local_addr()?;
    let public_url = config.common.public_url_at(address)?;
    let state = DevState::beside(&config.common.database_url)?;
    let (sandbox, stytch) =
        sandbox::bind(&mut config, &args.sandbox, &state.sandbox, address, &public_url).await?;
    let connecting = guestlist_database::connect_or_create(&config.common.database_url);
    let Some(database) = stop.run_until_cancelled(Box::pin(connecting)).await.transpose()? else {
        return Ok(ExitCode::SUCCESS);
    };
    guestlist_migrations::up(database.write().pool(), None).await?;
    config.log_warnings();
    let (sandbox_url, url) = (sandbox.url(), public_url.as_str().trim_end_matches('/').to_owned());
    let project = StytchProject::from(&stytch);
    let built = Services::new(database, stytch)?;
    let policy = config.common.policy(&public_url);
    let worker =
        guestlist_worker::Worker::bind(&built, policy.clone(), config.common.worker).await?;
    let worker_url = worker.url()?;
    let hosts = local_hosts(address, &public_url);
    let site = config.site(public_url, project, Some(format!("{sandbox_url}/inbox")));
    let ctx = built.ctx(policy);
    let app = App::new(&config, ctx.clone(), site, built.store.clone());
    let sandbox = tokio::spawn(sandbox.serve(stop.clone()));
    let servers = tokio::spawn(run_servers(app, listener, hosts, Some(worker), stop.clone()));
    let banner = async {
        let api_key = state.api_key(&ctx).await?;
        let admin = flows::bootstrap_login_address(&ctx, &admin).await?;
        let login_url = sandbox::login_link(&ctx, &admin, &sandbox_url).await?;
        let admin_email = admin.as_str().to_owned();
        Ok(Banner { url, sandbox_url, worker_url, api_key, admin_email, login_url })
    };
    let started = print_when_ready(banner, args.json, &stop).await;
    servers.await??;
    stop.cancel();
    sandbox.await??;
    started.map(|()| ExitCode::SUCCESS)
}

/// URLs and credentials, printed once everything runs.
#[derive(Serialize)]
struct Banner {
    url: String,
    sandbox_url: String,
    worker_url: String,
    api_key: String,
    admin_email: String,
    login_url: String,
}

impl Banner {
    fn text(&self) -> String {
        let Self { url, sandbox_url, worker_url, api_key, admin_email, login_url } = self;
        format!(
            "
Guestlist is running.

  Log in as {admin_email}:
    {login_url}

  Application   {url}
  Inbox         {sandbox_url}/inbox   (no mail leaves this machine)
  Worker        {worker_url}/readyz
  API key       {api_key}

  Invite someone:
    curl -sS {url}/v1/invitations -H 'authorization: Bearer {api_key}' \\
      -H 'content-type: application/json' -d '{{\"email\": \"ada@example.com\"}}'

Press Ctrl-C to stop. All data is kept for the next start.
"
        )
    }
}

/// Prints the banner once it is ready. Cancels `stop` if that fails.
async fn print_when_ready(
    banner: impl Future<Output = anyhow::Result<Banner>>,
    json: bool,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    match stop.run_until_cancelled(banner).await {
        Some(Ok(banner)) => {
            let text = if json { serde_json::to_string(&banner)? } else { banner.text() };
            print_banner(text);
        }
        // While stopping, the local Stytch refuses connections.
        Some(Err(_)) if stop.is_cancelled() => {}
        Some(Err(error)) => {
            stop.cancel();
            return Err(error);
        }
        None => {}
    }
    Ok(())
}

/// Sets the defaults that differ in `dev`, and returns the first administrator.
fn apply_defaults(common: &mut Common) -> anyhow::Result<Email> {
    common.link_carries_id.get_or_insert(true);
    if common.stytch.stytch_base_url.is_some() {
        tracing::warn!("STYTCH_BASE_URL is ignored: dev uses its local Stytch");
    }
    let admins = common.admin_emails.get_or_insert_default();
    if admins.is_empty() {
        admins.push(Email::parse(DEFAULT_ADMIN)?);
    }
    admins.first().cloned().context("ADMIN_EMAILS")
}

fn check_exposure(common: &Common, args: &DevArgs) -> anyhow::Result<()> {
    for address in
        [common.listen_addr, args.sandbox.sandbox_listen_addr, common.worker.worker_listen_addr]
    {
        anyhow::ensure!(
            args.expose || address.ip().is_loopback(),
            "{address} can be reached from other machines, and anyone who can read dev's inbox can \
             log in as any user; use a loopback address, or add --expose to allow it"
        );
    }
    Ok(())
}

/// Returns the accepted `Host` headers if only this machine reaches the application. They keep web
/// pages from reading it through a host name of their own that resolves to it (DNS rebinding).
fn local_hosts(address: SocketAddr, public_url: &Url) -> Option<AllowedHosts> {
    let public_host = public_url.host_str().unwrap_or_default();
    address.ip().is_loopback().then(|| AllowedHosts::for_listener(address).with_host(public_host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_header_is_checked_only_on_loopback() {
        let public_url = Url::parse("https://guests.example.com:8443").unwrap();
        let hosts = local_hosts(([127, 0, 0, 1], 3000).into(), &public_url).unwrap();
        let allows = |host: &str| hosts.allows(&host.parse().unwrap());
        assert!(allows("localhost:3000") && allows("guests.example.com"));
        assert!(!allows("evil.example") && !allows("example.com"));
        assert!(local_hosts(([0, 0, 0, 0], 3000).into(), &public_url).is_none());
    }
}
