//! The configuration that the worker and the application share. Each environment variable is also a
//! flag. All errors are reported together.

mod arguments;
mod dotenv;
pub mod parse;
mod unchecked;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use guestlist_domain::{Email, Limit, Policy};
use secrecy::SecretString;
use url::Url;

use super::telemetry;

pub use arguments::parse as parse_arguments;
pub use unchecked::{ConfigError, ConfigErrors, Unchecked};

/// Stytch's limits for a session, in minutes.
const SESSION_MINUTES: std::ops::RangeInclusive<u32> = 5..=527_040;
/// Stytch's limits for a link, in minutes.
const LINK_MINUTES: std::ops::RangeInclusive<u32> = 5..=10_080;
/// Lifetime of a login link in minutes: Stytch's default.
const LOGIN_LINK_MINUTES: u32 = 60;

/// A comma-separated list. clap would take a field of type `Vec` for a repeated flag.
pub type List<T> = Vec<T>;

/// The settings of every process.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Database URL: sqlite://… or mysql://…
    #[arg(
        long,
        env = "DATABASE_URL",
        global = true,
        default_value = "sqlite://guestlist.db?mode=rwc",
        hide_env_values = true,
        value_parser = parse::database_url
    )]
    pub database_url: String,

    /// HTTP address of `dev` and `serve`; port 0 picks a free port and prints it
    #[arg(long, env = "LISTEN_ADDR", global = true, default_value = "127.0.0.1:3000",
        value_parser = parse::address)]
    pub listen_addr: SocketAddr,

    /// URL at which browsers reach Guestlist; https turns on Secure cookies (default:
    /// host localhost, port of LISTEN_ADDR)
    #[arg(long, env = "PUBLIC_URL", global = true, value_parser = parse::origin)]
    pub public_url: Option<Url>,

    #[command(flatten)]
    pub stytch: StytchSettings,

    /// Put the invitation's id into links, for a greeting and for `visited` in the timeline
    /// (default: off; on in `dev`)
    #[arg(long, env = "LINK_CARRIES_ID", global = true, num_args = 0..=1,
        default_missing_value = "true", value_parser = parse::switch)]
    pub link_carries_id: Option<bool>,

    /// First administrators, separated by commas. They may log in without an invitation until
    /// Guestlist knows them, or while no active administrator is left (default: none; `dev`:
    /// admin@example.com)
    #[arg(long, env = "ADMIN_EMAILS", global = true, value_parser = parse::emails)]
    pub admin_emails: Option<List<Email>>,

    /// Lifetime of a session in minutes: 5 to 527040
    #[arg(long, env = "SESSION_DURATION_MINUTES", global = true, default_value = "10080",
        value_parser = |text: &str| parse::minutes(text, SESSION_MINUTES))]
    pub session_duration_minutes: u32,

    /// Lifetime of an invitation in minutes: 5 to 10080
    #[arg(long, env = "INVITATION_EXPIRATION_MINUTES", global = true, default_value = "10080",
        value_parser = |text: &str| parse::minutes(text, LINK_MINUTES))]
    pub invitation_expiration_minutes: u32,

    /// Maximum login mails per address, as a number per s, m, h or d. 5/h also means at most 10 in
    /// 24 hours. Beyond the limit, an address still gets one mail when its last link has expired
    #[arg(long, env = "LOGIN_LIMIT_PER_ADDRESS", global = true, default_value = "5/h",
        value_parser = parse::limit)]
    pub login_limit_per_address: Limit,

    #[command(flatten)]
    pub worker: WorkerSettings,

    /// Format of logs on stderr: text or json
    #[arg(long, env = "LOG_FORMAT", global = true, default_value = "text",
        value_parser = telemetry::Format::parse)]
    pub log_format: telemetry::Format,
}

/// The provider's settings, any of which may be missing.
#[derive(Debug, Clone, Args)]
pub struct StytchSettings {
    /// Stytch project id
    #[arg(long, env = "STYTCH_PROJECT_ID", global = true, value_parser = parse::text)]
    pub stytch_project_id: Option<String>,

    /// Stytch secret
    #[arg(long, env = "STYTCH_SECRET", global = true, hide_env_values = true,
        value_parser = parse::secret)]
    pub stytch_secret: Option<SecretString>,

    /// URL of Stytch's API (default: test or live, by the project id)
    #[arg(long, env = "STYTCH_BASE_URL", global = true, value_parser = parse::http_url)]
    pub stytch_base_url: Option<Url>,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct WorkerSettings {
    /// Maximum calls to Stytch by all workers together, as a number per s, m, h or d
    #[arg(long, env = "STYTCH_RATE_LIMIT", global = true, default_value = "100/s",
        value_parser = parse::limit)]
    pub stytch_rate_limit: Limit,

    /// Maximum jobs that a worker runs concurrently: 1 to 1000
    #[arg(long, env = "WORKER_CONCURRENCY", global = true, default_value = "50",
        value_parser = |text: &str| parse::count(text, 1..=1000))]
    pub worker_concurrency: usize,

    /// HTTP address of the worker: /healthz, /readyz, /metrics
    #[arg(long, env = "WORKER_LISTEN_ADDR", global = true, default_value = "127.0.0.1:3001",
        value_parser = parse::address)]
    pub worker_listen_addr: SocketAddr,

    /// UDP address at which other processes wake the worker when they add jobs. A loopback address
    /// serves the processes of the same machine; port 0 picks a free port
    #[arg(long, env = "WORKER_WAKE_ADDR", global = true, default_value = "127.0.0.1:0",
        value_parser = parse::own_address)]
    pub worker_wake_addr: SocketAddr,

    /// How often expired sessions and invitations are swept, e.g. 60s
    #[arg(long, env = "SWEEP_INTERVAL", global = true, default_value = "60s",
        value_parser = parse::interval)]
    pub sweep_interval: Duration,

    /// How often users are compared with those at Stytch, and differences repaired, e.g. 24h
    #[arg(long, env = "RECONCILE_INTERVAL", global = true, default_value = "24h",
        value_parser = parse::interval)]
    pub reconcile_interval: Duration,
}

impl Common {
    /// Returns the options of the provider's client. Adds an error for each missing setting.
    pub fn required_stytch(&self, errors: &mut ConfigErrors) -> Option<guestlist_stytch::Options> {
        let (project_id, secret) = (&self.stytch.stytch_project_id, &self.stytch.stytch_secret);
        let is_live = project_id.as_ref().is_some_and(|id| id.starts_with("project-live-"));
        if is_live && self.public_url.is_none() {
            let problem = "is not set, and a live project's links can't lead to localhost";
            errors.add("PUBLIC_URL", problem);
        }
        for (variable, is_missing) in
            [("STYTCH_PROJECT_ID", project_id.is_none()), ("STYTCH_SECRET", secret.is_none())]
        {
            if is_missing {
                errors.add(variable, "is not set; it is in Stytch's dashboard, under API keys");
            }
        }
        let base_url = self.stytch.stytch_base_url.clone();
        guestlist_stytch::Options::new(project_id.clone()?, secret.clone()?, base_url)
            .map_err(|error| errors.add("STYTCH_PROJECT_ID", error.to_string()))
            .ok()
    }

    /// The policy of flows, for links that lead to `public_url`.
    pub fn policy(&self, public_url: &Url) -> Policy {
        Policy {
            session_minutes: self.session_duration_minutes,
            invitation_minutes: self.invitation_expiration_minutes,
            login_minutes: LOGIN_LINK_MINUTES,
            authenticate_url: authenticate_url(public_url),
            link_carries_id: self.link_carries_id.unwrap_or(false),
            admin_emails: self.admin_emails.clone().unwrap_or_default(),
            login_limit: self.login_limit_per_address,
        }
    }

    /// Returns the public URL of an application that listens at `address`.
    pub fn public_url_at(&self, address: SocketAddr) -> Result<Url, url::ParseError> {
        match &self.public_url {
            Some(url) => Ok(url.clone()),
            None => Url::parse(&format!("http://localhost:{}", address.port())),
        }
    }
}

/// Returns the URL of links, for an application at `public_url`.
pub fn authenticate_url(public_url: &Url) -> String {
    format!("{}/authenticate", public_url.as_str().trim_end_matches('/'))
}
