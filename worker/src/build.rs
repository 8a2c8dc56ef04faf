//! From configuration to running parts: the same steps for the worker's own program and for the
//! application.

use std::sync::Arc;

use anyhow::Context;
use apalis_sea_orm::Waker;
use guestlist_database::{Database, SqlStore};
use guestlist_domain::{Clock, Ctx, Policy, Store, SystemClock, SystemIds};
use guestlist_stytch::StytchProvider;

use crate::Worker;
use crate::config::{Common, Mistake, Mistakes, StytchSettings, WorkerSettings};
use crate::no_provider::NoProvider;

/// The parts that every process has.
#[derive(Clone)]
pub struct Built {
    /// The connections.
    pub database: Database,
    /// Wakes the worker of this process, if there is one.
    pub waker: Waker,
    store: Arc<SqlStore>,
    provider: Arc<StytchProvider>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Built").field("database", &self.database).finish_non_exhaustive()
    }
}

impl StytchSettings {
    /// What is needed to call Stytch; whatever is missing is noted.
    pub fn required(&self, mistakes: &mut Mistakes) -> Option<guestlist_stytch::Options> {
        let missing = |variable: &str| {
            Mistake::new(variable, "is not set; it is in Stytch's dashboard, under API keys")
        };
        if self.project_id.is_none() {
            mistakes.note(missing("STYTCH_PROJECT_ID"));
        }
        if self.secret.is_none() {
            mistakes.note(missing("STYTCH_SECRET"));
        }
        let (project_id, secret) = (self.project_id.clone()?, self.secret.clone()?);
        let options = guestlist_stytch::Options::new(project_id, secret, self.base_url.clone());
        mistakes.take("STYTCH_PROJECT_ID", options.map_err(|error| error.to_string()))
    }
}

/// Connects to the database, whose schema must be there, and makes the client of Stytch.
pub async fn connect(common: &Common, stytch: guestlist_stytch::Options) -> anyhow::Result<Built> {
    let database = guestlist_database::connect(&common.database_url).await?;
    database.check_schema().await?;
    Built::new(database, stytch)
}

/// The world of flows that only read and enqueue, and its store, for commands that need no account
/// at Stytch.
pub async fn connect_without_stytch(common: &Common) -> anyhow::Result<(Ctx, Arc<SqlStore>)> {
    let database = guestlist_database::connect(&common.database_url).await?;
    database.check_schema().await?;
    let public_url = common.public_url_at(common.listen_addr)?;
    let store = Arc::new(SqlStore::new(database, Waker::default()));
    let ctx = Ctx {
        store: Arc::clone(&store) as _,
        provider: Arc::new(NoProvider),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        policy: Arc::new(common.policy(&public_url)),
        client: None,
    };
    Ok((ctx, store))
}

impl Built {
    /// The parts over a database that is known to be right.
    pub fn new(database: Database, stytch: guestlist_stytch::Options) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let waker = Waker::default();
        let store = Arc::new(SqlStore::new(database.clone(), waker.clone()));
        let provider = StytchProvider::new(stytch, Arc::clone(&clock)).context("Stytch")?;
        Ok(Self { database, waker, store, provider: Arc::new(provider), clock })
    }

    /// The world of the flows, under the given rules.
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

    /// The client of Stytch, for what only it can do.
    pub fn provider(&self) -> &Arc<StytchProvider> {
        &self.provider
    }

    /// The store, for what only it can do.
    pub fn store(&self) -> &Arc<SqlStore> {
        &self.store
    }

    /// A worker, its address bound.
    pub async fn worker(&self, policy: Policy, settings: WorkerSettings) -> anyhow::Result<Worker> {
        Worker::bind(self, policy, settings).await
    }
}
