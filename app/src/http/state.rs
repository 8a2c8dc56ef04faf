//! What every handler can reach.

use std::fmt;
use std::sync::{Arc, OnceLock};

use guestlist_database::SqlStore;
use guestlist_domain::Ctx;
use guestlist_stytch::Webhooks;
use guestlist_worker::metrics::Metrics;

use super::limits::{Client, ClientLimit, ProviderBudget};
use super::metrics::Requests;
use super::presses::Presses;
use super::problem::{Code, Problem};
use super::scrapers::Scrapers;
use super::security_log::SecurityLog;
use super::seen::SeenBuffer;
use super::waits::LastLook;
use crate::config::Config;
use crate::config::SiteConfig;

/// The application, shared by all requests.
#[derive(Clone)]
pub struct App(Arc<Inner>);

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("site", &self.0.site).finish_non_exhaustive()
    }
}

struct Inner {
    ctx: Ctx,
    site: SiteConfig,
    store: Arc<SqlStore>,
    logins: ClientLimit,
    provider_budget: ProviderBudget,
    presses: Presses,
    seen: SeenBuffer,
    scrapers: Scrapers,
    requests: Requests,
    last_look: LastLook,
    security_log: SecurityLog,
    webhooks: Option<Webhooks>,
    worker: OnceLock<Metrics>,
}

impl App {
    /// The application over its world.
    pub fn new(config: &Config, ctx: Ctx, site: SiteConfig, store: Arc<SqlStore>) -> Self {
        let logins = ClientLimit::new(config.login_limit_per_client);
        let (per_client, total) = config.anonymous_provider_limit;
        let provider_budget = ProviderBudget::new(per_client, total);
        let secret = config.webhook_secret.clone();
        let webhooks = secret.map(|secret| Webhooks::new(secret, site.stytch.id.clone()));
        Self(Arc::new(Inner {
            ctx,
            site,
            store,
            logins,
            provider_budget,
            presses: Presses::default(),
            seen: SeenBuffer::default(),
            scrapers: Scrapers::default(),
            requests: Requests::default(),
            last_look: LastLook::default(),
            security_log: SecurityLog::default(),
            webhooks,
            worker: OnceLock::new(),
        }))
    }

    /// The world of the flows.
    pub fn ctx(&self) -> &Ctx {
        &self.0.ctx
    }

    /// Where we stand.
    pub fn site(&self) -> &SiteConfig {
        &self.0.site
    }

    /// For what is no business of the domain's: answers kept by `Idempotency-Key`, and what
    /// operators look at.
    pub fn store(&self) -> &Arc<SqlStore> {
        &self.0.store
    }

    /// Presses on Continue that are under way.
    pub fn presses(&self) -> &Presses {
        &self.0.presses
    }

    /// Keys that `/metrics` has met.
    pub fn scrapers(&self) -> &Scrapers {
        &self.0.scrapers
    }

    /// Uses of sessions and keys that are to be noted.
    pub fn seen(&self) -> &SeenBuffer {
        &self.0.seen
    }

    /// What this process counts of its requests.
    pub fn requests(&self) -> &Requests {
        &self.0.requests
    }

    /// What kept new invitations waiting when it was last looked at.
    pub fn last_look(&self) -> &LastLook {
        &self.0.last_look
    }

    /// Logs refused requests.
    pub fn security_log(&self) -> &SecurityLog {
        &self.0.security_log
    }

    /// What reads Stytch's webhooks, where it is to call.
    pub fn webhooks(&self) -> Option<&Webhooks> {
        self.0.webhooks.as_ref()
    }

    /// A worker runs in this process; what it counts is told with the rest.
    pub fn note_worker(&self, metrics: Metrics) {
        // A second one would count the same.
        let _ = self.0.worker.set(metrics);
    }

    /// What the worker of this process counts, if there is one.
    pub fn encode_worker_metrics(&self, to: &mut String) -> fmt::Result {
        self.0.worker.get().map_or(Ok(()), |metrics| metrics.encode(to))
    }

    /// Counts a request for a login link against its client.
    pub fn count_login(&self, client: Client) -> Result<(), Problem> {
        let checked = self.0.logins.check(client);
        checked.map_err(|wait| Problem::too_many(Code::TooManyRequests, wait))
    }

    /// Calls to Stytch that anonymous callers may cause.
    pub fn provider_budget(&self) -> &ProviderBudget {
        &self.0.provider_budget
    }

    /// Forgets clients that have not called for a while.
    pub fn forget_clients(&self) {
        self.0.logins.forget_idle();
        self.0.provider_budget.forget_idle();
    }
}
