//! The local Stytch of `dev`, and the first login link from its inbox.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use guestlist_domain::{Ctx, Email, flows};
use guestlist_stytch::WebhookSecret;
use guestlist_worker::setup::config::{StytchSettings, authenticate_url};
use secrecy::ExposeSecret;
use stytch_sandbox::{Credentials, Sandbox, WebhookEndpoint};
use url::Url;

use crate::config::Config;

/// How long the first login link may take to reach the inbox.
const LOGIN_LINK_TIMEOUT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub struct SandboxAddressArgs {
    /// Address of the local Stytch
    #[arg(
        long,
        env = "SANDBOX_LISTEN_ADDR",
        default_value = "127.0.0.1:3002",
        value_parser = stytch_sandbox::parse_socket_addr
    )]
    pub sandbox_listen_addr: SocketAddr,
    /// Comma-separated host names that the local Stytch accepts besides local ones
    #[arg(long, env = "SANDBOX_ALLOWED_HOSTS", value_delimiter = ',')]
    sandbox_allowed_hosts: Vec<String>,
}

/// Binds the local Stytch, whose state is in the file `state`, for the application that listens on
/// `app`, and returns it with the options of its client. Its credentials are the configured ones,
/// else those of the last start, else new ones.
///
/// It sends webhooks signed with the configured secret; if there is none, one is generated.
pub async fn bind(
    config: &mut Config,
    args: &SandboxAddressArgs,
    state: &Path,
    app: SocketAddr,
    public_url: &Url,
) -> anyhow::Result<(Sandbox, guestlist_stytch::Options)> {
    let credentials = credentials(&config.common.stytch, state)?;
    let mut options = stytch_sandbox::Options::new(args.sandbox_listen_addr, credentials.clone());
    options.allowed_hosts.clone_from(&args.sandbox_allowed_hosts);
    options.state = Some(state.to_owned());
    let secret = match config.webhook_secret.take() {
        Some(configured) => configured,
        None => WebhookSecret::parse(&WebhookEndpoint::generate_secret())?,
    };
    options.webhook = Some(webhook_endpoint(app, &secret));
    config.webhook_secret = Some(secret);
    // PUBLIC_URL may be a tunnel's; a developer's own application is on this machine.
    options.redirect_urls = redirect_urls(public_url);
    options.local_redirects = true;
    let sandbox = Sandbox::bind(options).await?;
    let base_url = Some(sandbox.url().parse()?);
    let Credentials { project_id, secret } = credentials;
    Ok((sandbox, guestlist_stytch::Options::new(project_id, secret.into(), base_url)?))
}

fn credentials(settings: &StytchSettings, state: &Path) -> anyhow::Result<Credentials> {
    let StytchSettings { stytch_project_id, stytch_secret, .. } = settings;
    if let (Some(project_id), Some(secret)) = (stytch_project_id.clone(), stytch_secret) {
        return Ok(Credentials { project_id, secret: secret.expose_secret().to_owned() });
    }
    let stored = stytch_sandbox::stored_credentials(state)?;
    Ok(stored.unwrap_or_else(Credentials::generate))
}

/// The redirect URLs of links with and without the invitation's id.
fn redirect_urls(public_url: &Url) -> Vec<String> {
    let url = authenticate_url(public_url);
    vec![format!("{url}?invitation={{}}"), url]
}

/// Returns the webhook endpoint of the application that listens on `app`.
fn webhook_endpoint(mut app: SocketAddr, secret: &WebhookSecret) -> WebhookEndpoint {
    if app.ip().is_unspecified() {
        app.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let url = format!("http://{app}/webhooks/stytch");
    WebhookEndpoint { url, secret: secret.expose().to_owned() }
}

/// Requests a login link for the administrator, and waits until it is in the inbox.
pub async fn login_link(ctx: &Ctx, admin: &Email, sandbox_url: &str) -> anyhow::Result<String> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
    let inbox = format!("{sandbox_url}/sandbox/emails");
    let emails = async || -> anyhow::Result<Vec<serde_json::Value>> {
        let response = http.get(&inbox).query(&[("to", admin.as_str())]).send().await?;
        Ok(response.error_for_status()?.json().await?)
    };
    let earlier = emails().await?.len();
    flows::request_login_unlimited(ctx, admin, None).await?;
    let link = async {
        loop {
            let email = emails().await?.into_iter().nth(earlier);
            if let Some(url) = email.as_ref().and_then(|email| email["url"].as_str()) {
                return Ok(url.to_owned());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    tokio::time::timeout(LOGIN_LINK_TIMEOUT, link)
        .await
        .context("the administrator's login link was not sent; see the log for the reason")?
}
