//! `guestlist dev`: everything in one process, with nothing to install and no account.

mod sandbox;
mod state;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use guestlist_database::Database;
use guestlist_domain::{Ctx, Email, flows};
use guestlist_stytch::WebhookSecret;
use guestlist_worker::build::Built;
use guestlist_worker::config::Common;
use guestlist_worker::{Worker, listen};
use http_listener::AllowedHosts;
use serde_json::json;
use stytch_sandbox::{Credentials, Sandbox, WebhookEndpoint};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::state::DevState;
use super::serve::{print_banner, run_servers};
use crate::config::{Config, StytchProject};
use crate::http::App;

/// The administrator if `ADMIN_EMAILS` is not set.
const DEFAULT_ADMIN: &str = "admin@example.com";

#[derive(Debug, Args)]
pub struct DevArgs {
    /// Print URLs and credentials as one line of JSON
    #[arg(long)]
    json: bool,
    /// Allow addresses that other machines can reach; anybody who can reach them can log in as
    /// anybody
    #[arg(long)]
    expose: bool,
    /// Address of the local Stytch
    #[arg(
        long,
        env = "SANDBOX_LISTEN_ADDR",
        default_value = "127.0.0.1:3002",
        value_parser = stytch_sandbox::address
    )]
    sandbox_listen_addr: SocketAddr,
    /// Comma-separated host names that the local Stytch accepts besides local ones
    #[arg(long, env = "SANDBOX_ALLOWED_HOSTS", value_delimiter = ',')]
    sandbox_allowed_hosts: Vec<String>,
}

/// Runs until `stop`.
pub async fn run(
    mut config: Config,
    args: &DevArgs,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let admin = apply_defaults(&mut config.common)?;
    check_exposure(&config.common, args)?;
    let bound = Bound::bind(&mut config, args).await?;
    let connecting = guestlist_database::connect_or_create(&config.common.database_url);
    let Some(database) = stop.run_until_cancelled(Box::pin(connecting)).await.transpose()? else {
        return Ok(ExitCode::SUCCESS);
    };
    guestlist_migrations::up(database.write().pool(), None).await?;
    config.log_warnings();
    let started = bound.build(&config, database).await?;
    Box::pin(started.run(&admin, args.json, stop)).await
}

/// Sets the defaults that differ in `dev`, and returns the first administrator.
fn apply_defaults(common: &mut Common) -> anyhow::Result<Email> {
    common.link_carries_id.get_or_insert(true);
    if common.stytch.base_url.is_some() {
        tracing::warn!("STYTCH_BASE_URL is ignored: dev uses its local Stytch");
    }
    let configured = common.admin_emails.take().filter(|emails| !emails.is_empty());
    let admins = match configured {
        Some(admins) => admins,
        None => vec![Email::parse(DEFAULT_ADMIN)?],
    };
    let first = admins.first().cloned().context("ADMIN_EMAILS")?;
    common.admin_emails = Some(admins);
    Ok(first)
}

fn check_exposure(common: &Common, args: &DevArgs) -> anyhow::Result<()> {
    for address in [common.listen_addr, args.sandbox_listen_addr, common.worker.listen_addr] {
        anyhow::ensure!(
            args.expose || address.ip().is_loopback(),
            "{address} can be reached from other machines, and whoever can read dev's inbox can \
             log in as anybody; use a loopback address, or add --expose to allow it"
        );
    }
    Ok(())
}

/// The bound addresses of `dev`, before the database is open.
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    public_url: Url,
    state: DevState,
    sandbox: Sandbox,
    credentials: Credentials,
}

impl Bound {
    /// Binds the application's and the sandbox's address.
    async fn bind(config: &mut Config, args: &DevArgs) -> anyhow::Result<Self> {
        let common = &config.common;
        let listener = listen(common.listen_addr, "LISTEN_ADDR").await?;
        let address = listener.local_addr()?;
        let public_url = common.public_url_at(address)?;
        let state = DevState::beside(&common.database_url)?;
        let secret = match config.webhook_secret.take() {
            Some(configured) => configured,
            None => WebhookSecret::parse(&WebhookEndpoint::generate_secret())?,
        };
        let webhook = sandbox::webhook_endpoint(address, &secret);
        config.webhook_secret = Some(secret);
        let (sandbox, credentials) = sandbox::bind(
            args.sandbox_listen_addr,
            &args.sandbox_allowed_hosts,
            &config.common.stytch,
            &state.sandbox,
            &public_url,
            webhook,
        )
        .await?;
        Ok(Self { listener, address, public_url, state, sandbox, credentials })
    }

    /// Builds the application and the worker on a database with the current schema.
    async fn build(self, config: &Config, database: Database) -> anyhow::Result<Servers> {
        let Self { listener, address, public_url, state, sandbox, credentials } = self;
        let sandbox_url = sandbox.url();
        let stytch = guestlist_stytch::Options::new(
            credentials.project_id,
            credentials.secret.into(),
            Some(sandbox_url.parse()?),
        )?;
        let project = StytchProject::from(&stytch);
        let built = Built::new(database, stytch)?;
        let policy = config.common.policy(&public_url);
        let worker = built.worker(policy.clone(), config.common.worker).await?;
        let hosts = local_hosts(address, &public_url);
        let url = public_url.as_str().trim_end_matches('/').to_owned();
        let site = config.site(public_url, project, Some(format!("{sandbox_url}/inbox")));
        let ctx = built.ctx(policy);
        let app = App::new(config, ctx.clone(), site, built.store().clone());
        Ok(Servers { url, app, listener, hosts, worker, sandbox, state, ctx })
    }
}

/// Returns the accepted `Host` headers if only this machine reaches the application. They keep web
/// pages from reading it through a host name of their own that resolves to it (DNS rebinding).
fn local_hosts(address: SocketAddr, public_url: &Url) -> Option<AllowedHosts> {
    let public_host = public_url.host_str().unwrap_or_default();
    address.ip().is_loopback().then(|| AllowedHosts::of_listener(address).and(public_host))
}

/// The parts of `dev`, ready to run.
struct Servers {
    url: String,
    app: App,
    listener: TcpListener,
    hosts: Option<AllowedHosts>,
    worker: Worker,
    sandbox: Sandbox,
    state: DevState,
    ctx: Ctx,
}

impl Servers {
    /// Runs until `stop` or until a part ends. Prints the banner once a login link is there.
    async fn run(
        self,
        admin: &Email,
        json: bool,
        stop: CancellationToken,
    ) -> anyhow::Result<ExitCode> {
        let Self { url, app, listener, hosts, worker, sandbox, state, ctx } = self;
        let (sandbox_url, worker_url) = (sandbox.url(), worker.url()?);
        let sandbox = tokio::spawn(sandbox.serve(stop.clone()));
        let servers = tokio::spawn(run_servers(app, listener, hosts, Some(worker), stop.clone()));
        let banner = async {
            let api_key = state.api_key(&ctx).await?;
            let admin = flows::address_to_log_in(&ctx, admin).await?;
            let login_url = sandbox::login_link(&ctx, &admin, &sandbox_url).await?;
            Ok::<_, anyhow::Error>(Banner {
                url,
                sandbox_url,
                worker_url,
                api_key,
                admin,
                login_url,
            })
        };
        match stop.run_until_cancelled(banner).await {
            Some(Ok(banner)) => print_banner(if json { banner.json() } else { banner.text() }),
            // While stopping, the local Stytch refuses connections.
            Some(Err(_)) if stop.is_cancelled() => {}
            Some(Err(error)) => {
                stop.cancel();
                servers.await??;
                return Err(error);
            }
            None => {}
        }
        servers.await??;
        stop.cancel();
        sandbox.await??;
        Ok(ExitCode::SUCCESS)
    }
}

/// URLs and credentials, printed once everything runs.
struct Banner {
    url: String,
    sandbox_url: String,
    worker_url: String,
    api_key: String,
    admin: Email,
    login_url: String,
}

impl Banner {
    fn json(&self) -> String {
        let Self { url, sandbox_url, worker_url, api_key, admin, login_url } = self;
        let value = json!({
            "url": url,
            "sandbox_url": sandbox_url,
            "worker_url": worker_url,
            "api_key": api_key,
            "admin_email": admin.as_str(),
            "login_url": login_url,
        });
        value.to_string()
    }

    fn text(&self) -> String {
        let Self { url, sandbox_url, worker_url, api_key, admin, login_url } = self;
        format!(
            "
Guestlist is running.

  Log in as {admin}:
    {login_url}

  Application   {url}
  Inbox         {sandbox_url}/inbox   (no mail leaves this machine)
  Worker        {worker_url}/readyz
  API key       {api_key}

  Invite somebody:
    curl -sS {url}/v1/invitations -H 'authorization: Bearer {api_key}' \\
      -H 'content-type: application/json' -d '{{\"email\": \"ada@example.com\"}}'

Press Ctrl-C to stop. All data is kept for the next start.
",
            admin = admin.as_str(),
        )
    }
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
