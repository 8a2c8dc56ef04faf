//! The implementation of the domain's store.

use async_trait::async_trait;
use guestlist_domain::{
    Change, ExpiredRows, LinkClaim, Session, Store, StoreError, TokenHash, Usage, User, Verdict,
};
use jiff::Timestamp;
use sea_orm::DbBackend;

use crate::batching::BatchLoader;
use crate::connect::Database;
use crate::error::{StoreResult, store_error};
use crate::read::sessions::{sessions_by_provider_ids, sessions_by_tokens};
use crate::schema::SchemaError;
use crate::write::committer::Committer;
use crate::write::standalone;

/// The domain's store on a database. Its background tasks end when it is dropped.
#[derive(Debug)]
pub struct SqlStore {
    pub(crate) database: Database,
    committer: Committer,
    pub(crate) sessions_by_token: BatchLoader<TokenHash, (Session, User)>,
    pub(crate) sessions_by_provider_id: BatchLoader<String, (Session, User)>,
}

impl SqlStore {
    /// Creates a store that wakes `waker` after every commit of jobs.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime.
    pub fn new(database: Database, waker: apalis_sea_orm::Waker) -> Self {
        let loaders = match database.backend() {
            DbBackend::Sqlite => 2,
            _ => 4,
        };
        let (by_token, by_provider_id) = (database.clone(), database.clone());
        Self {
            committer: Committer::start(database.clone(), waker),
            sessions_by_token: BatchLoader::start(loaders, move |tokens| {
                sessions_by_tokens(by_token.clone(), tokens)
            }),
            sessions_by_provider_id: BatchLoader::start(loaders, move |ids| {
                sessions_by_provider_ids(by_provider_id.clone(), ids)
            }),
            database,
        }
    }

    /// Returns the store's database.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn apply(&self, change: Change) -> StoreResult<Verdict> {
        self.committer.apply(change).await
    }

    async fn claim_link(
        &self,
        token: TokenHash,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<LinkClaim> {
        standalone::claim_link(&self.database, token, now, until).await
    }

    async fn release_link(&self, token: TokenHash, until: Timestamp) -> StoreResult<()> {
        standalone::release_link(&self.database, token, until).await
    }

    async fn record_usage(&self, uses: &[Usage], at: Timestamp) -> StoreResult<()> {
        standalone::record_usage(self.database.write(), uses, at).await
    }

    async fn delete_expired(
        &self,
        what: ExpiredRows,
        before: Timestamp,
        limit: u64,
    ) -> StoreResult<u64> {
        standalone::delete_expired(&self.database, what, before, limit).await
    }

    async fn ready(&self) -> StoreResult<()> {
        self.database.check_schema().await.map_err(|error| {
            StoreError::Unavailable(match error {
                SchemaError::Unavailable(message) => message,
                other => other.to_string(),
            })
        })?;
        self.database.check_writable().await.map_err(store_error)
    }
}
