//! The store as a whole.

use async_trait::async_trait;
use guestlist_domain::{
    Change, LinkClaim, Usage, Session, ExpiredRows, Store, StoreError, TokenHash, User, Verdict,
};
use jiff::Timestamp;
use sea_orm::{DbBackend, EntityTrait, Select, StatementBuilder, sea_query::SelectStatement};

use crate::batch::Batcher;
use crate::commit::Committers;
use crate::connect::Database;
use crate::errors::store_error;
use crate::schema::SchemaError;
use crate::{link_claims, seen, sessions, stale};

/// The domain's store on a database. What it runs in the background ends when it is dropped.
#[derive(Debug)]
pub struct SqlStore {
    pub(crate) database: Database,
    committers: Committers,
    pub(crate) by_token: Batcher<TokenHash, (Session, User)>,
    pub(crate) by_stytch_id: Batcher<String, (Session, User)>,
}

impl SqlStore {
    /// A store whose `waker` is called whenever jobs were committed. Call it in a tokio runtime.
    pub fn new(database: Database, waker: apalis_sea_orm::Waker) -> Self {
        let loaders = match database.backend() {
            DbBackend::Sqlite => 2,
            _ => 4,
        };
        let (tokens, ids) = (database.clone(), database.clone());
        Self {
            committers: Committers::start(database.clone(), waker),
            by_token: Batcher::start(loaders, move |keys| {
                sessions::by_tokens(tokens.clone(), keys)
            }),
            by_stytch_id: Batcher::start(loaders, move |keys| {
                sessions::by_stytch_ids(ids.clone(), keys)
            }),
            database,
        }
    }

    /// The database that it is on.
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) async fn one<E, T>(&self, query: Select<E>) -> Result<Option<T>, StoreError>
    where
        E: EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let row = query.one(self.database.read()).await.map_err(store_error)?;
        row.map(T::try_from).transpose()
    }

    pub(crate) async fn all<E, T>(&self, query: Select<E>) -> Result<Vec<T>, StoreError>
    where
        E: EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let rows = query.all(self.database.read()).await.map_err(store_error)?;
        rows.into_iter().map(T::try_from).collect()
    }

    /// Of one kind of row, however the statement finds them.
    pub(crate) async fn found<E, T>(&self, query: &SelectStatement) -> Result<Vec<T>, StoreError>
    where
        E: EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let statement = StatementBuilder::build(query, &self.database.backend());
        let rows = E::find().from_raw_sql(statement).all(self.database.read()).await;
        rows.map_err(store_error)?.into_iter().map(T::try_from).collect()
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn apply(&self, change: Change) -> Result<Verdict, StoreError> {
        self.committers.apply(change).await
    }

    async fn claim_link(
        &self,
        token: TokenHash,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<LinkClaim, StoreError> {
        link_claims::claim(&self.database, token, now, until).await
    }

    async fn release_link(&self, token: TokenHash, until: Timestamp) -> Result<(), StoreError> {
        link_claims::release(&self.database, token, until).await
    }

    async fn record_usage(&self, seen: &[Usage], at: Timestamp) -> Result<(), StoreError> {
        seen::note(self.database.write(), seen, at).await
    }

    async fn delete_expired(
        &self,
        what: ExpiredRows,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, StoreError> {
        stale::delete(&self.database, what, before, limit).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.database.check_schema().await.map_err(|error| {
            StoreError::Unavailable(match error {
                SchemaError::Unavailable(why) => why,
                other => other.to_string(),
            })
        })?;
        self.database.check_writable().await.map_err(store_error)
    }
}
