//! `guestlist dev`: everything in one process, with nothing to install and no account.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use guestlist_domain::{Ctx, Email, flows};
use guestlist_stytch::WebhookSecret;
use guestlist_worker::build::Built;
use guestlist_worker::config::{Common, authenticate_url};
use guestlist_worker::listen;
use http_listener::AllowedHosts;
use serde_json::json;
use stytch_sandbox::{Credentials, Sandbox, WebhookEndpoint};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::dev_state::DevState;
use super::serve::{announce, run_all};
use crate::config::Config;
use crate::site::Project;
use crate::state::App;

/// The administrator who is there when no other was named.
const ADMIN: &str = "admin@example.com";
/// How long the first login link may take to be mailed.
const LINK_PATIENCE: Duration = Duration::from_secs(15);

/// What `dev` is told.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Print what was started as one line of JSON
    #[arg(long)]
    json: bool,
    /// Listen on an address that other machines can reach: anybody there can log in as anybody
    #[arg(long)]
    expose: bool,
    /// Where the local Stytch is served
    #[arg(
        long,
        env = "SANDBOX_LISTEN_ADDR",
        default_value = "127.0.0.1:3002",
        value_parser = stytch_sandbox::address
    )]
    sandbox_listen_addr: std::net::SocketAddr,
    /// Hosts that the local Stytch answers to besides local ones; separated by commas
    #[arg(long, env = "SANDBOX_ALLOWED_HOSTS", value_delimiter = ',')]
    sandbox_allowed_hosts: Vec<String>,
}

/// Runs until told to stop.
pub async fn run(
    mut config: Config,
    args: DevArgs,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let admin = prepare(&mut config.common)?;
    refuse_exposure(&config.common, &args)?;
    let listener = listen(config.common.listen_addr, "LISTEN_ADDR").await?;
    let address = listener.local_addr()?;
    let public_url = config.common.public_url_at(address)?;
    let state = DevState::beside(&config.common.database_url)?;
    let secret = match &config.webhook_secret {
        Some(said) => said.clone(),
        None => WebhookSecret::parse(&WebhookEndpoint::generate_secret())?,
    };
    let webhook = webhook(address, &secret);
    config.webhook_secret = Some(secret);
    let (sandbox, credentials) =
        sandbox(&config.common, &args, &state, &public_url, webhook).await?;
    let sandbox_url = sandbox.url();

    let connecting = guestlist_database::connect_or_create(&config.common.database_url);
    let Some(database) = stop.run_until_cancelled(Box::pin(connecting)).await.transpose()? else {
        return Ok(ExitCode::SUCCESS);
    };
    guestlist_migrations::up(database.write().pool(), None).await?;
    config.warn_of_findings();
    let base_url = Some(sandbox_url.parse()?);
    let stytch = guestlist_stytch::Options::new(
        credentials.project_id,
        credentials.secret.into(),
        base_url,
    )?;
    let project = Project::from(&stytch);
    let built = Built::new(database, stytch)?;
    let policy = config.common.policy(&public_url);
    let worker = built.worker(policy.clone(), config.common.worker).await?;
    let worker_url = worker.url()?;
    let hosts = local_hosts(address, &public_url);
    let site = config.site(public_url, project, Some(format!("{sandbox_url}/inbox")));
    let url = site.public_url.as_str().trim_end_matches('/').to_owned();
    let ctx = built.ctx(policy);
    let app = App::new(&config, ctx.clone(), site, built.store().clone());

    let sandbox = tokio::spawn(sandbox.serve(stop.clone()));
    let all = tokio::spawn(run_all(app, listener, hosts, Some(worker), stop.clone()));
    let started = async {
        let api_key = state.api_key(&ctx).await?;
        let admin = flows::address_to_log_in(&ctx, &admin).await?;
        let login_url = login_link(&ctx, &admin, &sandbox_url).await?;
        Ok::<_, anyhow::Error>(Started { url, sandbox_url, worker_url, api_key, admin, login_url })
    };
    match stop.run_until_cancelled(started).await {
        Some(Ok(started)) => announce(started.text(args.json)),
        // Once it stops, the local Stytch refuses connections.
        Some(Err(_)) if stop.is_cancelled() => {}
        Some(Err(error)) => {
            stop.cancel();
            all.await??;
            return Err(error);
        }
        None => {}
    }
    all.await??;
    stop.cancel();
    sandbox.await??;
    Ok(ExitCode::SUCCESS)
}

/// What is different in `dev` where nothing was said.
fn prepare(common: &mut Common) -> anyhow::Result<Email> {
    common.link_carries_id.get_or_insert(true);
    if common.stytch.base_url.is_some() {
        tracing::warn!("STYTCH_BASE_URL is not used: dev brings its own Stytch");
    }
    let said = common.admin_emails.take().filter(|emails| !emails.is_empty());
    let admins = match said {
        Some(admins) => admins,
        None => vec![Email::parse(ADMIN)?],
    };
    let first = admins.first().cloned().context("ADMIN_EMAILS")?;
    common.admin_emails = Some(admins);
    Ok(first)
}

fn refuse_exposure(common: &Common, args: &DevArgs) -> anyhow::Result<()> {
    for address in [common.listen_addr, args.sandbox_listen_addr, common.worker.listen_addr] {
        anyhow::ensure!(
            args.expose || address.ip().is_loopback(),
            "{address} can be reached from other machines, and dev lets anybody in who can read \
             its inbox; add --expose if that is meant"
        );
    }
    Ok(())
}

/// The hosts that requests may be for, where only this machine reaches the application: a web page
/// must not read it by a name of its own that leads here (DNS rebinding).
fn local_hosts(address: SocketAddr, public_url: &Url) -> Option<AllowedHosts> {
    let public = public_url.host_str().unwrap_or_default();
    address.ip().is_loopback().then(|| AllowedHosts::of_listener(address).and(public))
}

/// What links lead to, with and without the invitation's id.
fn redirect_urls(public_url: &Url) -> Vec<String> {
    let url = authenticate_url(public_url);
    vec![format!("{url}?invitation={{}}"), url]
}

/// Where the local Stytch tells of what happens to people there.
fn webhook(mut app: SocketAddr, secret: &WebhookSecret) -> WebhookEndpoint {
    if app.ip().is_unspecified() {
        app.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let url = format!("http://{app}/webhooks/stytch");
    WebhookEndpoint { url, secret: secret.expose().to_owned() }
}

async fn sandbox(
    common: &Common,
    args: &DevArgs,
    state: &DevState,
    public_url: &Url,
    webhook: WebhookEndpoint,
) -> anyhow::Result<(Sandbox, Credentials)> {
    use secrecy::ExposeSecret;

    let said = common.stytch.project_id.clone().zip(common.stytch.secret.clone());
    let said = said.map(|(project_id, secret)| Credentials {
        project_id,
        secret: secret.expose_secret().to_owned(),
    });
    let credentials = match (said, stytch_sandbox::stored_credentials(&state.sandbox)?) {
        (Some(said), _) => said,
        (None, Some(stored)) => stored,
        (None, None) => Credentials::generate(),
    };
    let mut options = stytch_sandbox::Options::new(args.sandbox_listen_addr, credentials.clone());
    options.allowed_hosts.clone_from(&args.sandbox_allowed_hosts);
    options.state = Some(state.sandbox.clone());
    options.webhook = Some(webhook);
    // Links may lead through a tunnel; a developer's own application is on this machine.
    options.redirect_urls = redirect_urls(public_url);
    options.local_redirects = true;
    Ok((Sandbox::bind(options).await?, credentials))
}

/// A login link for the administrator, by the same road that everybody's takes.
async fn login_link(ctx: &Ctx, admin: &Email, sandbox_url: &str) -> anyhow::Result<String> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
    let mailbox = format!("{sandbox_url}/sandbox/emails");
    let mails = async || -> anyhow::Result<Vec<serde_json::Value>> {
        let asked = http.get(&mailbox).query(&[("to", admin.as_str())]).send().await?;
        Ok(asked.error_for_status()?.json().await?)
    };
    let before = mails().await?.len();
    flows::request_login_unlimited(ctx, admin, None).await?;
    let arrived = async {
        loop {
            let mail = mails().await?.into_iter().nth(before);
            if let Some(url) = mail.as_ref().and_then(|mail| mail["url"].as_str()) {
                return Ok(url.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LINK_PATIENCE, arrived)
        .await
        .context("the administrator's login link was not mailed; the log says why")?
}

/// What was started, for people or for programs.
struct Started {
    url: String,
    sandbox_url: String,
    worker_url: String,
    api_key: String,
    admin: Email,
    login_url: String,
}

impl Started {
    fn text(&self, as_json: bool) -> String {
        let Self { url, sandbox_url, worker_url, api_key, admin, login_url } = self;
        if as_json {
            return json!({
                "url": url,
                "sandbox_url": sandbox_url,
                "worker_url": worker_url,
                "api_key": api_key,
                "admin_email": admin.as_str(),
                "login_url": login_url,
            })
            .to_string();
        }
        format!(
            "
Guestlist is up.

  Log in as {admin}:
    {login_url}

  Application   {url}
  Inbox         {sandbox_url}/inbox   (no mail leaves this machine)
  Worker        {worker_url}/readyz
  API key       {api_key}

  Invite somebody:
    curl -sS {url}/v1/invitations -H 'authorization: Bearer {api_key}' \\
      -H 'content-type: application/json' -d '{{\"email\": \"ada@example.com\"}}'

Ctrl-C stops it; the next start finds everything as it was.
",
            admin = admin.as_str(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_local_application_checks_its_host() {
        let public_url = Url::parse("https://guests.example.com:8443").unwrap();
        let hosts = local_hosts(([127, 0, 0, 1], 3000).into(), &public_url).unwrap();
        let allows = |host: &str| hosts.allows(&host.parse().unwrap());
        assert!(allows("localhost:3000") && allows("guests.example.com"));
        assert!(!allows("evil.example") && !allows("example.com"));
        assert!(local_hosts(([0, 0, 0, 0], 3000).into(), &public_url).is_none());
    }
}
