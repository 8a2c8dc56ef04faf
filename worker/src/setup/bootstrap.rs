//! Creates the services that the worker's and the application's processes share.

use std::sync::Arc;

use anyhow::Context;
use apalis_sea_orm::{Waker, wake_other_processes};
use guestlist_database::{Database, SqlStore};
use guestlist_domain::{Ctx, IdentityProvider, Policy, SystemClock, SystemIds};
use guestlist_stytch::StytchProvider;

use super::config::Common;
use super::unconfigured_provider::UnconfiguredProvider;

/// The services of a process.
#[derive(Debug, Clone)]
pub struct Services {
    /// The database connections.
    pub database: Database,
    /// Wakes the worker of this process or, with [`Services::wake_other_processes`], of others.
    pub waker: Waker,
    pub store: Arc<SqlStore>,
    /// The provider's client.
    pub provider: Arc<StytchProvider>,
}

/// Connects to the database, checks its schema, and creates the provider's client.
pub async fn connect(
    common: &Common,
    stytch: guestlist_stytch::Options,
) -> anyhow::Result<Services> {
    Services::new(open_database(common).await?, stytch)
}

/// Connects to the database and returns the context for flows that make no calls to the provider,
/// and its store. For commands that need no account at Stytch.
pub async fn connect_without_provider(common: &Common) -> anyhow::Result<(Ctx, Arc<SqlStore>)> {
    let store = Arc::new(SqlStore::new(open_database(common).await?, Waker::default()));
    let policy = common.policy(&common.public_url_at(common.listen_addr)?);
    Ok((context(&store, Arc::new(UnconfiguredProvider), policy), store))
}

async fn open_database(common: &Common) -> anyhow::Result<Database> {
    let database = guestlist_database::connect(&common.database_url).await?;
    database.check_schema().await?;
    Ok(database)
}

fn context(store: &Arc<SqlStore>, provider: Arc<dyn IdentityProvider>, policy: Policy) -> Ctx {
    Ctx {
        store: Arc::clone(store) as _,
        provider,
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        policy: Arc::new(policy),
        client: None,
    }
}

impl Services {
    /// Creates the services for a database whose schema is current.
    pub fn new(database: Database, stytch: guestlist_stytch::Options) -> anyhow::Result<Self> {
        let waker = Waker::default();
        let store = Arc::new(SqlStore::new(database.clone(), waker.clone()));
        let provider = StytchProvider::new(stytch, Arc::new(SystemClock)).context("Stytch")?;
        Ok(Self { database, waker, store, provider: Arc::new(provider) })
    }

    /// Wakes a worker of another process after every commit of jobs, until the future is dropped. For
    /// a process without a worker.
    pub fn wake_other_processes(&self) -> impl Future<Output = ()> + Send + use<> {
        wake_other_processes(self.database.read().pool().clone(), &self.waker)
    }

    /// Returns the context of flows with this policy.
    pub fn ctx(&self, policy: Policy) -> Ctx {
        context(&self.store, Arc::clone(&self.provider) as _, policy)
    }
}
