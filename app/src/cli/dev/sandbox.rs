//! The local Stytch of `dev`, and the first login link from its inbox.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use guestlist_domain::{Ctx, Email, flows};
use guestlist_stytch::WebhookSecret;
use guestlist_worker::config::{StytchSettings, authenticate_url};
use secrecy::ExposeSecret;
use stytch_sandbox::{Credentials, Sandbox, WebhookEndpoint};
use url::Url;

/// How long the first login link may take to reach the inbox.
const LOGIN_LINK_TIMEOUT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Binds the local Stytch, whose state is in the file `state`. Its credentials are the configured
/// ones, else those of the last start, else new ones.
pub async fn bind(
    listen_addr: SocketAddr,
    allowed_hosts: &[String],
    settings: &StytchSettings,
    state: &Path,
    public_url: &Url,
    webhook: WebhookEndpoint,
) -> anyhow::Result<(Sandbox, Credentials)> {
    let configured = settings.project_id.clone().zip(settings.secret.as_ref());
    let configured = configured.map(|(project_id, secret)| Credentials {
        project_id,
        secret: secret.expose_secret().to_owned(),
    });
    let credentials = match (configured, stytch_sandbox::stored_credentials(state)?) {
        (Some(configured), _) => configured,
        (None, Some(stored)) => stored,
        (None, None) => Credentials::generate(),
    };
    let mut options = stytch_sandbox::Options::new(listen_addr, credentials.clone());
    allowed_hosts.clone_into(&mut options.allowed_hosts);
    options.state = Some(state.to_owned());
    options.webhook = Some(webhook);
    // PUBLIC_URL may be a tunnel's; a developer's own application is on this machine.
    options.redirect_urls = redirect_urls(public_url);
    options.local_redirects = true;
    Ok((Sandbox::bind(options).await?, credentials))
}

/// The redirect URLs of links with and without the invitation's id.
fn redirect_urls(public_url: &Url) -> Vec<String> {
    let url = authenticate_url(public_url);
    vec![format!("{url}?invitation={{}}"), url]
}

/// Returns the webhook endpoint of the application that listens on `app`.
pub fn webhook_endpoint(mut app: SocketAddr, secret: &WebhookSecret) -> WebhookEndpoint {
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
