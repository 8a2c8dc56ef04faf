//! The implementation of the domain's store.

use async_trait::async_trait;
use guestlist_domain::{
    Change, ExpiredRows, LinkClaim, Session, Store, StoreError, TokenHash, Usage, User, Verdict,
};
use jiff::Timestamp;
use sea_orm::{DbBackend, EntityTrait, Select, StatementBuilder, sea_query::SelectStatement};

use crate::connect::Database;
use crate::error::{StoreResult, store_error};
use crate::read::batch_loader::BatchLoader;
use crate::read::session_lookup;
use crate::schema::SchemaError;
use crate::write::committer::Committer;
use crate::write::{activity, link_claims, retention};

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
                session_lookup::by_tokens(by_token.clone(), tokens)
            }),
            sessions_by_provider_id: BatchLoader::start(loaders, move |ids| {
                session_lookup::by_provider_ids(by_provider_id.clone(), ids)
            }),
            database,
        }
    }

    /// Returns the store's database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) async fn one<E, T>(&self, query: Select<E>) -> StoreResult<Option<T>>
    where
        E: EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let row = query.one(self.database.read()).await.map_err(store_error)?;
        row.map(T::try_from).transpose()
    }

    pub(crate) async fn all<E, T>(&self, query: Select<E>) -> StoreResult<Vec<T>>
    where
        E: EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let rows = query.all(self.database.read()).await.map_err(store_error)?;
        rows.into_iter().map(T::try_from).collect()
    }

    /// Runs a statement that returns rows of one table.
    pub(crate) async fn all_by_statement<E, T>(
        &self,
        statement: &SelectStatement,
    ) -> StoreResult<Vec<T>>
    where
        E: EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let statement = StatementBuilder::build(statement, &self.database.backend());
        let rows = E::find().from_raw_sql(statement).all(self.database.read()).await;
        rows.map_err(store_error)?.into_iter().map(T::try_from).collect()
    }

    pub(crate) async fn exists<E: EntityTrait>(&self, query: Select<E>) -> StoreResult<bool> {
        Ok(query.one(self.database.read()).await.map_err(store_error)?.is_some())
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
        link_claims::claim(&self.database, token, now, until).await
    }

    async fn release_link(&self, token: TokenHash, until: Timestamp) -> StoreResult<()> {
        link_claims::release(&self.database, token, until).await
    }

    async fn record_usage(&self, uses: &[Usage], at: Timestamp) -> StoreResult<()> {
        activity::record(self.database.write(), uses, at).await
    }

    async fn delete_expired(
        &self,
        what: ExpiredRows,
        before: Timestamp,
        limit: u64,
    ) -> StoreResult<u64> {
        retention::delete(&self.database, what, before, limit).await
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
