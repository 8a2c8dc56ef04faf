//! The state that all requests share.

pub mod activity;
pub mod api_key_cache;
pub mod cached;
pub mod holds;
pub mod invitation_counts;
pub mod metrics;
pub mod operations;
pub mod rate_limit;
pub mod security_log;

use std::fmt;
use std::ops::Deref;
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
use self::invitation_counts::InvitationCountsCache;
use self::metrics::HttpMetrics;
use self::operations::OperationsCache;
use self::rate_limit::{Client, ClientLimit, ProviderBudget};
use self::security_log::SecurityLog;
use crate::config::{Config, SiteConfig};
use crate::problem::Problem;
use crate::sessions::in_flight::InFlightRedemptions;

/// How often buffered activity and log counts are written.
const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

/// The application, shared by all requests.
#[derive(Clone)]
pub struct App(Arc<AppState>);

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Deref for App {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0
    }
}

/// The parts of [`App`].
pub struct AppState {
    /// The context for reads and background work. Handlers that write events use the one of
    /// [`Authorized`], `FormAdmin` or [`RequestContext`], which records the client.
    ///
    /// [`Authorized`]: crate::extract::Authorized
    /// [`RequestContext`]: crate::extract::RequestContext
    pub ctx: Ctx,
    /// The public URL, the application's origins and the trusted proxies.
    pub site: SiteConfig,
    /// The database, for what the domain's store does not offer: idempotency keys and the queries
    /// of operators.
    pub store: Arc<SqlStore>,
    /// The limit on requests for login links by one client.
    pub login_limit: ClientLimit,
    /// The limit on calls to Stytch by anonymous callers.
    pub provider_budget: ProviderBudget,
    /// Redemptions of links that are in progress in this process.
    pub redemptions: InFlightRedemptions,
    /// Last-seen updates that have not been written yet.
    pub activity: ActivityBuffer,
    pub api_key_cache: ApiKeyCache,
    pub metrics: HttpMetrics,
    /// Reasons why queued invitations are held back.
    pub holds: HoldCache,
    /// The numbers of invitations, for pages.
    pub invitation_counts: InvitationCountsCache,
    /// The state of queues, workers and jobs, for pages.
    pub operations: OperationsCache,
    pub security_log: SecurityLog,
    /// The verifier of Stytch's webhooks; `None` without `STYTCH_WEBHOOK_SECRET`.
    pub webhooks: Option<WebhookVerifier>,
    /// The metrics of this process's worker, if it runs one.
    pub worker_metrics: OnceLock<Metrics>,
}

impl App {
    pub fn new(config: &Config, ctx: Ctx, site: SiteConfig, store: Arc<SqlStore>) -> Self {
        let (per_client, total) = config.anonymous_provider_limit;
        let secret = config.webhook_secret.clone();
        Self(Arc::new(AppState {
            login_limit: ClientLimit::new(config.login_limit_per_client),
            provider_budget: ProviderBudget::new(per_client, total),
            redemptions: InFlightRedemptions::default(),
            activity: ActivityBuffer::default(),
            api_key_cache: ApiKeyCache::default(),
            metrics: HttpMetrics::default(),
            holds: HoldCache::new(Arc::clone(&store)),
            invitation_counts: InvitationCountsCache::new(Arc::clone(&store)),
            operations: OperationsCache::new(
                Arc::clone(&store),
                ctx.policy.authenticate_url.clone(),
            ),
            security_log: SecurityLog::default(),
            webhooks: secret.map(|secret| WebhookVerifier::new(secret, site.stytch.id.clone())),
            worker_metrics: OnceLock::new(),
            ctx,
            site,
            store,
        }))
    }

    /// Counts a request for a login link against the client's limit.
    pub fn count_login(&self, client: Client) -> Result<(), Problem> {
        let checked = self.login_limit.check(client);
        checked.map_err(Problem::too_many)
    }

    /// Returns the user, or 404.
    pub async fn user(&self, id: UserId) -> Result<User, Problem> {
        self.ctx.store.user(id).await?.ok_or_else(|| Problem::not_found("user"))
    }

    /// Writes buffered last-seen times; gives up if the database does not respond.
    pub async fn flush_activity(&self) {
        self.activity.flush(&self.ctx).await;
    }

    /// Writes buffers every few seconds and drops idle rate-limit entries, until `stop`. Activity
    /// recorded after `stop` needs a final [`Self::flush_activity`].
    pub async fn flush_periodically(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(FLUSH_INTERVAL)).await.is_some() {
            self.flush_activity().await;
            self.login_limit.forget_idle();
            self.provider_budget.forget_idle();
            self.security_log.flush();
        }
        self.security_log.flush();
    }
}
