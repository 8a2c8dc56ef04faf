//! Command-line arguments and environment variables.

use std::fmt;
use std::io::{self, Write};
use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use crate::options::{Credentials, Options};
use crate::server::Sandbox;
use crate::state::persistence::stored_credentials;
use crate::webhooks::WebhookEndpoint;

/// The arguments of the program, for other programs that embed it as a subcommand.
#[derive(clap::Args, Clone)]
pub struct SandboxArgs {
    /// The address to listen on; port 0 picks a free port and prints it.
    #[arg(
        long = "sandbox-listen-addr",
        visible_alias = "listen",
        value_name = "ADDR",
        env = "SANDBOX_LISTEN_ADDR",
        default_value = "127.0.0.1:3002",
        value_parser = parse_socket_addr
    )]
    pub listen: SocketAddr,
    /// Further hosts to answer to, besides localhost, loopback addresses and the listen address.
    /// Separated by commas; any port is allowed.
    #[arg(
        long = "allowed-host",
        value_name = "HOST",
        env = "SANDBOX_ALLOWED_HOSTS",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,
    /// The project id to accept. Without one, credentials are generated and printed.
    #[arg(long = "stytch-project-id", value_name = "ID", env = "STYTCH_PROJECT_ID")]
    pub project_id: Option<String>,
    /// The secret to accept.
    #[arg(
        long = "stytch-secret",
        value_name = "SECRET",
        env = "STYTCH_SECRET",
        hide_env_values = true
    )]
    pub secret: Option<String>,
    /// A redirect URL to allow. Matches exactly; a query value of `{}` or `*` matches any value, a
    /// host label of `*` any label. Limit it to kinds of mail with `invite,login=URL`. Repeatable.
    /// Without one, all URLs on localhost, its subdomains and loopback addresses are allowed.
    #[arg(long = "redirect-url", value_name = "[KIND,…=]URL")]
    pub redirect_urls: Vec<String>,
    /// Redirect from a mailed link with a 302, instead of a page with a script.
    #[arg(long)]
    pub plain_redirect: bool,
    /// The file to store users, links, sessions and keys in. Without one, they are kept in memory.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Allow listening on an address that other machines can reach. They can read the inbox.
    #[arg(long)]
    pub expose: bool,
    /// Allow more than one mail a second to one address.
    #[arg(long)]
    pub no_mail_limit: bool,
    /// The URL to send webhooks about users to.
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// The secret to sign webhooks with, `whsec_…`. Without one, it is generated and printed.
    #[arg(
        long = "webhook-secret",
        value_name = "SECRET",
        env = "STYTCH_WEBHOOK_SECRET",
        hide_env_values = true
    )]
    pub webhook_secret: Option<String>,
}

impl fmt::Debug for SandboxArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Leaves out the secrets.
        f.debug_struct("SandboxArgs").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Starts a sandbox, prints its URL and any generated credentials, and serves until `shutdown` is
/// cancelled.
pub async fn run(args: SandboxArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    if !args.listen.ip().is_loopback() && !args.expose {
        bail!(
            "other machines could reach {} and read the inbox: listen on 127.0.0.1, or add --expose \
             to allow it",
            args.listen
        );
    }
    let given = args.given_credentials()?;
    let credentials = match (&given, &args.state) {
        (Some(given), _) => given.clone(),
        (None, Some(state)) => stored_credentials(state)?.unwrap_or_else(Credentials::generate),
        (None, None) => Credentials::generate(),
    };
    let given_secret = trimmed(args.webhook_secret.as_ref());
    let webhook = args.webhook_url.clone().map(|url| WebhookEndpoint {
        url,
        secret: given_secret.clone().unwrap_or_else(WebhookEndpoint::generate_secret),
    });
    let mut options = Options::new(args.listen, credentials.clone());
    options.allowed_hosts = args.allowed_hosts;
    options.redirect_urls = args.redirect_urls;
    options.plain_redirect = args.plain_redirect;
    options.state = args.state;
    options.mail_limit = !args.no_mail_limit;
    options.webhook.clone_from(&webhook);
    let sandbox = Sandbox::bind(options).await?;
    let generated_secret = webhook.filter(|_| given_secret.is_none()).map(|webhook| webhook.secret);
    let generated = given.is_none().then_some(&credentials);
    if let Err(error) = announce(&sandbox.url(), generated, generated_secret.as_deref()) {
        tracing::warn!(%error, "failed to print the address");
    }
    sandbox.serve(shutdown).await?;
    Ok(())
}

impl SandboxArgs {
    /// Returns the given credentials. An empty variable counts as absent.
    fn given_credentials(&self) -> anyhow::Result<Option<Credentials>> {
        let (project_id, secret) =
            (trimmed(self.project_id.as_ref()), trimmed(self.secret.as_ref()));
        match (project_id, secret) {
            (Some(project_id), Some(secret)) => Ok(Some(Credentials { project_id, secret })),
            (None, None) => Ok(None),
            (Some(_), None) => bail!("STYTCH_PROJECT_ID is given without STYTCH_SECRET"),
            (None, Some(_)) => bail!("STYTCH_SECRET is given without STYTCH_PROJECT_ID"),
        }
    }
}

/// Trims white space, such as the carriage return of a file edited on Windows. An empty text counts as
/// absent.
fn trimmed(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Parses an IP address with a port, ignoring white space around it.
pub fn parse_socket_addr(text: &str) -> Result<SocketAddr, AddrParseError> {
    text.trim().parse()
}

fn announce(
    url: &str,
    generated: Option<&Credentials>,
    generated_webhook_secret: Option<&str>,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "A local Stytch listens on {url} and shows its mail on {url}/inbox")?;
    if let Some(Credentials { project_id, secret }) = generated {
        writeln!(out, "STYTCH_BASE_URL={url}")?;
        writeln!(out, "STYTCH_PROJECT_ID={project_id}")?;
        writeln!(out, "STYTCH_SECRET={secret}")?;
    }
    if let Some(secret) = generated_webhook_secret {
        writeln!(out, "STYTCH_WEBHOOK_SECRET={secret}")?;
    }
    out.flush()
}
