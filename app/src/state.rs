//! The state that all requests share.

pub mod activity;
pub mod api_key_cache;
pub mod holds;
pub mod metrics;
pub mod rate_limit;
pub mod security_log;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use guestlist_database::SqlStore;
use guestlist_domain::{Ctx, User, UserId};
use guestlist_stytch::WebhookVerifier;
use guestlist_worker::metrics::Metrics;
use tokio_util::sync::CancellationToken;

use self::activity::ActivityBuffer;
use self::api_key_cache::ApiKeyCache;
use self::holds::HoldCache;
use self::metrics::HttpMetrics;
use self::rate_limit::{Client, ClientLimit, ProviderBudget};
use self::security_log::SecurityLog;
use crate::config::Config;
use crate::config::SiteConfig;
use crate::problem::{Code, Problem};
use crate::sessions::in_flight::InFlightRedemptions;

/// How often buffered activity and log counts are written.
const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

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
    login_limit: ClientLimit,
    provider_budget: ProviderBudget,
    redemptions: InFlightRedemptions,
    activity: ActivityBuffer,
    api_key_cache: ApiKeyCache,
    metrics: HttpMetrics,
    holds: HoldCache,
    security_log: SecurityLog,
    webhooks: Option<WebhookVerifier>,
    worker_metrics: OnceLock<Metrics>,
}

impl App {
    pub fn new(config: &Config, ctx: Ctx, site: SiteConfig, store: Arc<SqlStore>) -> Self {
        let (per_client, total) = config.anonymous_provider_limit;
        let secret = config.webhook_secret.clone();
        Self(Arc::new(Inner {
            login_limit: ClientLimit::new(config.login_limit_per_client),
            provider_budget: ProviderBudget::new(per_client, total),
            redemptions: InFlightRedemptions::default(),
            activity: ActivityBuffer::default(),
            api_key_cache: ApiKeyCache::default(),
            metrics: HttpMetrics::default(),
            holds: HoldCache::new(Arc::clone(&store)),
            security_log: SecurityLog::default(),
            webhooks: secret.map(|secret| WebhookVerifier::new(secret, site.stytch.id.clone())),
            worker_metrics: OnceLock::new(),
            ctx,
            site,
            store,
        }))
    }

    /// The context for reads and background work. Handlers that write events use `RequestContext`,
    /// which records the client.
    pub fn ctx(&self) -> &Ctx {
        &self.0.ctx
    }

    /// The public URL, the application's origins and the trusted proxies.
    pub fn site(&self) -> &SiteConfig {
        &self.0.site
    }

    /// The database, for what the domain's store does not offer: idempotency keys and the queries
    /// of operators.
    pub fn store(&self) -> &Arc<SqlStore> {
        &self.0.store
    }

    /// Redemptions of links that are in progress in this process.
    pub fn redemptions(&self) -> &InFlightRedemptions {
        &self.0.redemptions
    }

    /// API keys that have been accepted for `/metrics`.
    pub fn api_key_cache(&self) -> &ApiKeyCache {
        &self.0.api_key_cache
    }

    /// Last-seen updates that have not been written yet.
    pub fn activity(&self) -> &ActivityBuffer {
        &self.0.activity
    }

    pub fn metrics(&self) -> &HttpMetrics {
        &self.0.metrics
    }

    /// Reasons why queued invitations are held back.
    pub fn holds(&self) -> &HoldCache {
        &self.0.holds
    }

    pub fn security_log(&self) -> &SecurityLog {
        &self.0.security_log
    }

    /// The verifier of Stytch's webhooks; `None` without `STYTCH_WEBHOOK_SECRET`.
    pub fn webhooks(&self) -> Option<&WebhookVerifier> {
        self.0.webhooks.as_ref()
    }

    /// Adds the metrics of a worker in this process to `/metrics`. A second call has no effect.
    pub fn set_worker_metrics(&self, metrics: Metrics) {
        let _ = self.0.worker_metrics.set(metrics);
    }

    /// Writes the metrics of this process's worker, if it runs one.
    pub fn encode_worker_metrics(&self, to: &mut String) -> fmt::Result {
        self.0.worker_metrics.get().map_or(Ok(()), |metrics| metrics.encode(to))
    }

    /// Counts a request for a login link against the client's limit.
    pub fn count_login(&self, client: Client) -> Result<(), Problem> {
        let checked = self.0.login_limit.check(client);
        checked.map_err(|wait| Problem::too_many(Code::TooManyRequests, wait))
    }

    /// The limit on calls to Stytch by anonymous callers.
    pub fn provider_budget(&self) -> &ProviderBudget {
        &self.0.provider_budget
    }

    /// Returns the user, or 404.
    pub async fn user(&self, id: UserId) -> Result<User, Problem> {
        self.0.ctx.store.user(id).await?.ok_or_else(|| Problem::not_found("user"))
    }

    /// Writes buffered last-seen times; gives up if the database does not respond.
    pub async fn flush_activity(&self) {
        self.0.activity.flush(&self.0.ctx).await;
    }

    /// Writes buffers every few seconds and drops idle rate-limit entries, until `stop`. Activity
    /// recorded after `stop` needs a final [`Self::flush_activity`].
    pub async fn flush_periodically(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(FLUSH_INTERVAL)).await.is_some() {
            self.flush_activity().await;
            self.0.login_limit.forget_idle();
            self.0.provider_budget.forget_idle();
            self.0.security_log.flush();
        }
        self.0.security_log.flush();
    }
}
