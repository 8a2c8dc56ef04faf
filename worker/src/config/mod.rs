//! The configuration that the worker and the application share: environment variables, each also
//! a flag, read once, with all mistakes reported together.

mod arguments;
mod dotenv;
mod mistakes;
pub mod parse;

use std::net::SocketAddr;

use clap::Args;
use guestlist_domain::{Email, Limit, Policy};
use secrecy::SecretString;
use url::Url;

use crate::schedule::Schedule;

pub use arguments::parse as parse_arguments;
pub use dotenv::read_dotenv;
pub use mistakes::{Mistake, Mistakes};

/// Stytch's bounds for a session, in minutes.
const SESSION_MINUTES: std::ops::RangeInclusive<u32> = 5..=527_040;
/// Stytch's bounds for a link, in minutes.
const LINK_MINUTES: std::ops::RangeInclusive<u32> = 5..=10_080;
/// How long a login link works: Stytch's own default.
const LOGIN_LINK_MINUTES: u32 = 60;

/// What the environment and the command line say, unread.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// The database: sqlite://… or mysql://…
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

    /// Where people's browsers reach Guestlist; https turns Secure cookies on
    /// (default: from LISTEN_ADDR, host localhost)
    #[arg(long, env = "PUBLIC_URL", global = true)]
    pub public_url: Option<String>,

    /// The project at Stytch
    #[arg(long, env = "STYTCH_PROJECT_ID", global = true)]
    pub stytch_project_id: Option<String>,

    /// Its secret
    #[arg(long, env = "STYTCH_SECRET", global = true, hide_env_values = true)]
    pub stytch_secret: Option<String>,

    /// Stytch's address (default: from the project id: test or live)
    #[arg(long, env = "STYTCH_BASE_URL", global = true)]
    pub stytch_base_url: Option<String>,

    /// Links name the invitation, for a greeting and for `visited` in the timeline
    /// (default: off; on in `dev`)
    #[arg(long, env = "LINK_CARRIES_ID", global = true, num_args = 0..=1, default_missing_value = "true")]
    pub link_carries_id: Option<String>,

    /// The first administrators, separated by commas: they may log in without an invitation while
    /// Guestlist has never known them, or while no active administrator is left
    /// (default: none; `dev`: admin@example.com)
    #[arg(long, env = "ADMIN_EMAILS", global = true)]
    pub admin_emails: Option<String>,

    /// How long a session lasts, in minutes: 5 to 527040
    #[arg(long, env = "SESSION_DURATION_MINUTES", global = true, default_value = "10080")]
    pub session_duration_minutes: String,

    /// How long an invitation lasts, in minutes: 5 to 10080
    #[arg(long, env = "INVITATION_EXPIRATION_MINUTES", global = true, default_value = "10080")]
    pub invitation_expiration_minutes: String,

    /// Login mails that one address may ask for, e.g. 5/h; twice as many in 24 times as long. Beyond
    /// that it gets one whenever its last link has expired
    #[arg(long, env = "LOGIN_LIMIT_PER_ADDRESS", global = true, default_value = "5/h")]
    pub login_limit_per_address: String,

    /// The most calls that all workers together make to Stytch, e.g. 100/s
    #[arg(long, env = "STYTCH_RATE_LIMIT", global = true, default_value = "100/s")]
    pub stytch_rate_limit: String,

    /// Jobs at once in one worker
    #[arg(long, env = "WORKER_CONCURRENCY", global = true, default_value = "50")]
    pub worker_concurrency: String,

    /// The worker's own address: /healthz, /readyz, /metrics
    #[arg(long, env = "WORKER_LISTEN_ADDR", global = true, default_value = "127.0.0.1:3001")]
    pub worker_listen_addr: String,

    /// How often expired sessions and invitations are swept, e.g. 60s
    #[arg(long, env = "SWEEP_INTERVAL", global = true, default_value = "60s")]
    pub sweep_interval: String,

    /// How often our users and Stytch's are compared, and repaired, e.g. 24h
    #[arg(long, env = "RECONCILE_INTERVAL", global = true, default_value = "24h")]
    pub reconcile_interval: String,

    /// How logs are written to stderr: text or json
    #[arg(long, env = "LOG_FORMAT", global = true, default_value = "text")]
    pub log_format: String,
}

/// The configuration, read.
#[derive(Debug, Clone)]
pub struct Common {
    /// Where everything is kept.
    pub database_url: String,
    /// Where HTTP listens.
    pub listen_addr: SocketAddr,
    /// Said, or made of `listen_addr` once its port is known.
    pub public_url: Option<Url>,
    /// Who sends, as far as it was said.
    pub stytch: StytchSettings,
    /// Whether links name their invitation; the command decides where it was not said.
    pub link_carries_id: Option<bool>,
    /// Administrators by configuration; the command decides where it was not said.
    pub admin_emails: Option<Vec<Email>>,
    /// How long sessions last.
    pub session_minutes: u32,
    /// How long invitations last.
    pub invitation_minutes: u32,
    /// How often an address may ask for a link.
    pub login_limit: Limit,
    /// How the worker works.
    pub worker: WorkerSettings,
}

/// What was said of Stytch.
#[derive(Debug, Clone)]
pub struct StytchSettings {
    /// `STYTCH_PROJECT_ID`.
    pub project_id: Option<String>,
    /// `STYTCH_SECRET`.
    pub secret: Option<SecretString>,
    /// `STYTCH_BASE_URL`.
    pub base_url: Option<Url>,
}

/// How the worker works.
#[derive(Debug, Clone, Copy)]
pub struct WorkerSettings {
    /// Jobs at once.
    pub concurrency: usize,
    /// Where its health is served.
    pub listen_addr: SocketAddr,
    /// How often it sweeps and compares.
    pub schedule: Schedule,
    /// The most calls that all workers together make to Stytch.
    pub rate_limit: Limit,
}

impl StytchSettings {
    /// Whether real people get its mail.
    fn is_live(&self) -> bool {
        self.project_id.as_ref().is_some_and(|id| id.starts_with("project-live-"))
    }
}

impl CommonArgs {
    /// Reads it all; what can't be read is noted, and none is answered.
    pub fn read(&self, mistakes: &mut Mistakes) -> Option<Common> {
        let m = mistakes;
        let database_url = m.take("DATABASE_URL", parse::database_url(&self.database_url));
        let listen_addr = m.take("LISTEN_ADDR", parse::address(&self.listen_addr));
        let public_url = m.take_some("PUBLIC_URL", self.public_url.as_deref(), parse::origin);
        let stytch = self.read_stytch(m);
        let link_carries_id =
            m.take_some("LINK_CARRIES_ID", self.link_carries_id.as_deref(), parse::switch);
        let admin_emails = m.take_some("ADMIN_EMAILS", self.admin_emails.as_deref(), parse::emails);
        let session_minutes = m.take(
            "SESSION_DURATION_MINUTES",
            parse::minutes(&self.session_duration_minutes, SESSION_MINUTES),
        );
        let invitation_minutes = m.take(
            "INVITATION_EXPIRATION_MINUTES",
            parse::minutes(&self.invitation_expiration_minutes, LINK_MINUTES),
        );
        let login_limit =
            m.take("LOGIN_LIMIT_PER_ADDRESS", parse::limit(&self.login_limit_per_address));
        let worker = self.read_worker(m);
        m.take("LOG_FORMAT", crate::telemetry::Format::parse(&self.log_format));
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

    /// What calling Stytch needs; whatever is missing is noted.
    pub fn read_required_stytch(&self, m: &mut Mistakes) -> Option<guestlist_stytch::Options> {
        // A base URL that can't be read is noted with the rest.
        let stytch = self.read_stytch(&mut Mistakes::default())?;
        let said = self.public_url.as_deref().unwrap_or_default();
        if stytch.is_live() && said.trim().is_empty() {
            let problem = "is not set, and a live project's links can't lead to localhost";
            m.note(Mistake::new("PUBLIC_URL", problem));
        }
        stytch.required(m)
    }

    fn read_stytch(&self, m: &mut Mistakes) -> Option<StytchSettings> {
        let base_url =
            m.take_some("STYTCH_BASE_URL", self.stytch_base_url.as_deref(), parse::http_url)?;
        // Files that were edited on Windows end their lines with a carriage return.
        let trimmed = |text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
        };
        Some(StytchSettings {
            project_id: trimmed(&self.stytch_project_id),
            secret: trimmed(&self.stytch_secret).map(SecretString::from),
            base_url,
        })
    }

    fn read_worker(&self, m: &mut Mistakes) -> Option<WorkerSettings> {
        let concurrency =
            m.take("WORKER_CONCURRENCY", parse::count(&self.worker_concurrency, 1..=1000));
        let listen_addr = m.take("WORKER_LISTEN_ADDR", parse::address(&self.worker_listen_addr));
        let sweep = m.take("SWEEP_INTERVAL", parse::interval(&self.sweep_interval));
        let reconcile = m.take("RECONCILE_INTERVAL", parse::interval(&self.reconcile_interval));
        let rate_limit = m.take("STYTCH_RATE_LIMIT", parse::limit(&self.stytch_rate_limit));
        Some(WorkerSettings {
            concurrency: concurrency?,
            listen_addr: listen_addr?,
            schedule: Schedule { sweep: sweep?, reconcile: reconcile? },
            rate_limit: rate_limit?,
        })
    }
}

impl Common {
    /// The rules of the house, for links that lead to `public_url`.
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

    /// Where browsers reach the application that listens at `address`, unless it was said.
    pub fn public_url_at(&self, address: SocketAddr) -> Result<Url, url::ParseError> {
        match &self.public_url {
            Some(url) => Ok(url.clone()),
            None => Url::parse(&format!("http://localhost:{}", address.port())),
        }
    }
}

/// Where links lead of an application that browsers reach at `public_url`.
pub fn authenticate_url(public_url: &Url) -> String {
    format!("{}/authenticate", public_url.as_str().trim_end_matches('/'))
}
