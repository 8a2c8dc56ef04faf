//! The configuration that the worker and the application share. Each environment variable is also a
//! flag. All errors are reported together.

mod arguments;
mod dotenv;
mod errors;
pub mod parse;

use std::net::SocketAddr;

use clap::Args;
use guestlist_domain::{Email, Limit, Policy};
use secrecy::SecretString;
use url::Url;

use crate::schedule::Schedule;

pub use arguments::parse as parse_arguments;
pub use dotenv::read_dotenv;
pub use errors::{ConfigError, ConfigErrors};

/// Stytch's limits for a session, in minutes.
const SESSION_MINUTES: std::ops::RangeInclusive<u32> = 5..=527_040;
/// Stytch's limits for a link, in minutes.
const LINK_MINUTES: std::ops::RangeInclusive<u32> = 5..=10_080;
/// Lifetime of a login link in minutes: Stytch's default.
const LOGIN_LINK_MINUTES: u32 = 60;

/// The values of the environment and the command line, not yet parsed.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// Database URL: sqlite://… or mysql://…
    #[arg(
        long,
        env = "DATABASE_URL",
        global = true,
        default_value = "sqlite://guestlist.db?mode=rwc",
        hide_env_values = true
    )]
    pub database_url: String,

    /// HTTP address; port 0 picks one and prints it
    #[arg(long, env = "LISTEN_ADDR", global = true, default_value = "127.0.0.1:3000")]
    pub listen_addr: String,

    /// URL at which browsers reach Guestlist; https turns on Secure cookies (default:
    /// host localhost, port of LISTEN_ADDR)
    #[arg(long, env = "PUBLIC_URL", global = true)]
    pub public_url: Option<String>,

    /// Stytch project id
    #[arg(long, env = "STYTCH_PROJECT_ID", global = true)]
    pub stytch_project_id: Option<String>,

    /// Stytch secret
    #[arg(long, env = "STYTCH_SECRET", global = true, hide_env_values = true)]
    pub stytch_secret: Option<String>,

    /// URL of Stytch's API (default: test or live, by the project id)
    #[arg(long, env = "STYTCH_BASE_URL", global = true)]
    pub stytch_base_url: Option<String>,

    /// Put the invitation's id into links, for a greeting and for `visited` in the timeline
    /// (default: off; on in `dev`)
    #[arg(long, env = "LINK_CARRIES_ID", global = true, num_args = 0..=1, default_missing_value = "true")]
    pub link_carries_id: Option<String>,

    /// First administrators, separated by commas. They may log in without an invitation until
    /// Guestlist knows them, or while no active administrator is left (default: none; `dev`:
    /// admin@example.com)
    #[arg(long, env = "ADMIN_EMAILS", global = true)]
    pub admin_emails: Option<String>,

    /// Lifetime of a session in minutes: 5 to 527040
    #[arg(long, env = "SESSION_DURATION_MINUTES", global = true, default_value = "10080")]
    pub session_duration_minutes: String,

    /// Lifetime of an invitation in minutes: 5 to 10080
    #[arg(long, env = "INVITATION_EXPIRATION_MINUTES", global = true, default_value = "10080")]
    pub invitation_expiration_minutes: String,

    /// Login mails per address, e.g. 5/h; twice as many in 24 times as long. An address whose last
    /// link has expired can always get another
    #[arg(long, env = "LOGIN_LIMIT_PER_ADDRESS", global = true, default_value = "5/h")]
    pub login_limit_per_address: String,

    /// Calls to Stytch by all workers together, e.g. 100/s
    #[arg(long, env = "STYTCH_RATE_LIMIT", global = true, default_value = "100/s")]
    pub stytch_rate_limit: String,

    /// Jobs that a worker runs concurrently
    #[arg(long, env = "WORKER_CONCURRENCY", global = true, default_value = "50")]
    pub worker_concurrency: String,

    /// HTTP address of the worker: /healthz, /readyz, /metrics
    #[arg(long, env = "WORKER_LISTEN_ADDR", global = true, default_value = "127.0.0.1:3001")]
    pub worker_listen_addr: String,

    /// Interval of sweeps that expire sessions and invitations, e.g. 60s
    #[arg(long, env = "SWEEP_INTERVAL", global = true, default_value = "60s")]
    pub sweep_interval: String,

    /// Interval of comparisons, and repairs, of users at Stytch, e.g. 24h
    #[arg(long, env = "RECONCILE_INTERVAL", global = true, default_value = "24h")]
    pub reconcile_interval: String,

    /// Format of logs on stderr: text or json
    #[arg(long, env = "LOG_FORMAT", global = true, default_value = "text")]
    pub log_format: String,
}

#[derive(Debug, Clone)]
pub struct Common {
    pub database_url: String,
    pub listen_addr: SocketAddr,
    /// The configured public URL. See [`public_url_at`](Self::public_url_at).
    pub public_url: Option<Url>,
    pub stytch: StytchSettings,
    /// Whether links contain the invitation's id. The default depends on the command.
    pub link_carries_id: Option<bool>,
    /// Configured administrators. The default depends on the command.
    pub admin_emails: Option<Vec<Email>>,
    /// Lifetime of sessions in minutes.
    pub session_minutes: u32,
    /// Lifetime of invitations in minutes.
    pub invitation_minutes: u32,
    /// Limit of login mails per address.
    pub login_limit: Limit,
    pub worker: WorkerSettings,
}

/// The provider's settings, any of which may be missing.
#[derive(Debug, Clone)]
pub struct StytchSettings {
    pub project_id: Option<String>,
    pub secret: Option<SecretString>,
    pub base_url: Option<Url>,
}

#[derive(Debug, Clone, Copy)]
pub struct WorkerSettings {
    /// Jobs that run concurrently.
    pub concurrency: usize,
    /// HTTP address of health checks and metrics.
    pub listen_addr: SocketAddr,
    /// Intervals of periodic jobs.
    pub schedule: Schedule,
    /// Calls to the provider by all workers together.
    pub rate_limit: Limit,
}

impl StytchSettings {
    /// Whether this is a live project, which sends mail to real people.
    fn is_live(&self) -> bool {
        self.project_id.as_ref().is_some_and(|id| id.starts_with("project-live-"))
    }
}

impl CommonArgs {
    /// Parses all values. Adds an error for each invalid one, and then returns `None`.
    pub fn read(&self, errors: &mut ConfigErrors) -> Option<Common> {
        let database_url = errors.parse("DATABASE_URL", parse::database_url(&self.database_url));
        let listen_addr = errors.parse("LISTEN_ADDR", parse::address(&self.listen_addr));
        let public_url =
            errors.parse_optional("PUBLIC_URL", self.public_url.as_deref(), parse::origin);
        let stytch = self.read_stytch(errors);
        let link_carries_id = errors.parse_optional(
            "LINK_CARRIES_ID",
            self.link_carries_id.as_deref(),
            parse::switch,
        );
        let admin_emails =
            errors.parse_optional("ADMIN_EMAILS", self.admin_emails.as_deref(), parse::emails);
        let session_minutes = errors.parse(
            "SESSION_DURATION_MINUTES",
            parse::minutes(&self.session_duration_minutes, SESSION_MINUTES),
        );
        let invitation_minutes = errors.parse(
            "INVITATION_EXPIRATION_MINUTES",
            parse::minutes(&self.invitation_expiration_minutes, LINK_MINUTES),
        );
        let login_limit =
            errors.parse("LOGIN_LIMIT_PER_ADDRESS", parse::limit(&self.login_limit_per_address));
        let worker = self.read_worker(errors);
        errors.parse("LOG_FORMAT", super::telemetry::Format::parse(&self.log_format));
        Some(Common {
            database_url: database_url?,
            listen_addr: listen_addr?,
            public_url: public_url?,
            stytch: stytch?,
            link_carries_id: link_carries_id?,
            admin_emails: admin_emails?,
            session_minutes: session_minutes?,
            invitation_minutes: invitation_minutes?,
            login_limit: login_limit?,
            worker: worker?,
        })
    }

    /// Parses the provider's settings. Adds an error for each missing one.
    pub fn read_required_stytch(
        &self,
        errors: &mut ConfigErrors,
    ) -> Option<guestlist_stytch::Options> {
        // An invalid base URL is reported by `parse`.
        let stytch = self.read_stytch(&mut ConfigErrors::default())?;
        let public_url = self.public_url.as_deref().unwrap_or_default();
        if stytch.is_live() && public_url.trim().is_empty() {
            let problem = "is not set, and a live project's links can't lead to localhost";
            errors.push(ConfigError::new("PUBLIC_URL", problem));
        }
        stytch.required(errors)
    }

    fn read_stytch(&self, errors: &mut ConfigErrors) -> Option<StytchSettings> {
        let base_url = errors.parse_optional(
            "STYTCH_BASE_URL",
            self.stytch_base_url.as_deref(),
            parse::http_url,
        )?;
        // Files edited on Windows end their lines with a carriage return.
        let trimmed = |text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
        };
        Some(StytchSettings {
            project_id: trimmed(&self.stytch_project_id),
            secret: trimmed(&self.stytch_secret).map(SecretString::from),
            base_url,
        })
    }

    fn read_worker(&self, errors: &mut ConfigErrors) -> Option<WorkerSettings> {
        let concurrency =
            errors.parse("WORKER_CONCURRENCY", parse::count(&self.worker_concurrency, 1..=1000));
        let listen_addr =
            errors.parse("WORKER_LISTEN_ADDR", parse::address(&self.worker_listen_addr));
        let sweep = errors.parse("SWEEP_INTERVAL", parse::interval(&self.sweep_interval));
        let reconcile =
            errors.parse("RECONCILE_INTERVAL", parse::interval(&self.reconcile_interval));
        let rate_limit = errors.parse("STYTCH_RATE_LIMIT", parse::limit(&self.stytch_rate_limit));
        Some(WorkerSettings {
            concurrency: concurrency?,
            listen_addr: listen_addr?,
            schedule: Schedule { sweep: sweep?, reconcile: reconcile? },
            rate_limit: rate_limit?,
        })
    }
}

impl Common {
    /// The policy of flows, for links that lead to `public_url`.
    pub fn policy(&self, public_url: &Url) -> Policy {
        Policy {
            session_minutes: self.session_minutes,
            invitation_minutes: self.invitation_minutes,
            login_minutes: LOGIN_LINK_MINUTES,
            authenticate_url: authenticate_url(public_url),
            link_carries_id: self.link_carries_id.unwrap_or(false),
            admin_emails: self.admin_emails.clone().unwrap_or_default(),
            login_limit: self.login_limit,
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
