//! Creates the services that the worker's and the application's processes share.

use std::sync::Arc;

use anyhow::Context;
use apalis_sea_orm::Waker;
use guestlist_database::{Database, SqlStore};
use guestlist_domain::{Clock, Ctx, Policy, Store, SystemClock, SystemIds};
use guestlist_stytch::StytchProvider;

use super::config::{Common, ConfigError, ConfigErrors, StytchSettings};
use super::unconfigured_provider::UnconfiguredProvider;

/// The services of a process.
#[derive(Clone)]
pub struct Services {
    /// The database connections.
    pub database: Database,
    /// Wakes the worker of this process, if there is one.
    pub waker: Waker,
    store: Arc<SqlStore>,
    provider: Arc<StytchProvider>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("database", &self.database).finish_non_exhaustive()
    }
}

impl StytchSettings {
    /// Returns the options of the provider's client, or records which variables are missing.
    pub fn required(&self, errors: &mut ConfigErrors) -> Option<guestlist_stytch::Options> {
        let missing = |variable: &str| {
            ConfigError::new(variable, "is not set; it is in Stytch's dashboard, under API keys")
        };
        if self.project_id.is_none() {
            errors.push(missing("STYTCH_PROJECT_ID"));
        }
        if self.secret.is_none() {
            errors.push(missing("STYTCH_SECRET"));
        }
        let (project_id, secret) = (self.project_id.clone()?, self.secret.clone()?);
        let options = guestlist_stytch::Options::new(project_id, secret, self.base_url.clone());
        errors.parse("STYTCH_PROJECT_ID", options.map_err(|error| error.to_string()))
    }
}

/// Connects to the database, checks its schema, and creates the provider's client.
pub async fn connect(
    common: &Common,
    stytch: guestlist_stytch::Options,
) -> anyhow::Result<Services> {
    let database = guestlist_database::connect(&common.database_url).await?;
    database.check_schema().await?;
    Services::new(database, stytch)
}

/// Connects to the database and returns the context for flows that make no calls to the provider,
/// and its store. For commands that need no account at Stytch.
pub async fn connect_without_provider(common: &Common) -> anyhow::Result<(Ctx, Arc<SqlStore>)> {
    let database = guestlist_database::connect(&common.database_url).await?;
    database.check_schema().await?;
    let public_url = common.public_url_at(common.listen_addr)?;
    let store = Arc::new(SqlStore::new(database, Waker::default()));
    let ctx = Ctx {
        store: Arc::clone(&store) as _,
        provider: Arc::new(UnconfiguredProvider),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        policy: Arc::new(common.policy(&public_url)),
        client: None,
    };
    Ok((ctx, store))
}

impl Services {
    /// Creates the services for a database whose schema is current.
    pub fn new(database: Database, stytch: guestlist_stytch::Options) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let waker = Waker::default();
        let store = Arc::new(SqlStore::new(database.clone(), waker.clone()));
        let provider = StytchProvider::new(stytch, Arc::clone(&clock)).context("Stytch")?;
        Ok(Self { database, waker, store, provider: Arc::new(provider), clock })
    }

    /// Returns the context of flows with this policy.
    pub fn ctx(&self, policy: Policy) -> Ctx {
        Ctx {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            provider: Arc::clone(&self.provider) as _,
            clock: Arc::clone(&self.clock),
            ids: Arc::new(SystemIds),
            policy: Arc::new(policy),
            client: None,
        }
    }

    /// The provider's client.
    pub fn provider(&self) -> &Arc<StytchProvider> {
        &self.provider
    }

    /// The database store.
    pub fn store(&self) -> &Arc<SqlStore> {
        &self.store
    }
}
