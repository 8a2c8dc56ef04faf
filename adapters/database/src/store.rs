//! The implementation of the domain's store.

use std::collections::BTreeSet;

use async_trait::async_trait;
use guestlist_domain::{
    Change, ExpiredRows, LinkClaim, Store, StoreError, TokenHash, Usage, Verdict,
};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::connect::Database;
use crate::error::{StoreResult, classify, store_error};
use crate::read::lookups::Lookups;
use crate::retry::Retry;
use crate::schema::SchemaError;
use crate::tables::columns::micros;
use crate::tables::{
    api_keys, idempotency_keys, link_claims, login_requests, sessions, used_links, users,
};
use crate::write::committer::Committer;
use crate::write::last_use::advance;
use crate::write::link_claims::try_claim_link;
use crate::write::retention::Batch;

/// The domain's store on a database. Its background tasks end when it is dropped.
#[derive(Debug)]
pub struct SqlStore {
    pub(crate) database: Database,
    committer: Committer,
    pub(crate) lookups: Lookups,
}

impl SqlStore {
    /// Creates a store that wakes `waker` after every commit of jobs.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime.
    pub fn new(database: Database, waker: apalis_sea_orm::Waker) -> Self {
        Self {
            committer: Committer::start(database.clone(), waker),
            lookups: Lookups::start(&database),
            database,
        }
    }

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
        let mut retry = Retry::new();
        let mut repeated = false;
        loop {
            let claim = try_claim_link(&self.database, token, (now, until), repeated).await;
            match claim {
                Ok(claim) => return Ok(claim),
                Err(error) if retry.wait(classify(&error)).await => repeated = true,
                Err(error) => return Err(store_error(error)),
            }
        }
    }

    async fn release_link(&self, token: TokenHash, until: Timestamp) -> StoreResult<()> {
        use link_claims::{Column, Entity};
        let claim = Entity::delete_many()
            .filter(Column::TokenHash.eq(token.0.to_vec()))
            .filter(Column::ClaimedUntil.eq(micros(until)));
        claim.exec(self.database.write()).await.map(drop).map_err(store_error)
    }

    async fn record_usage(&self, recorded: &[Usage], at: Timestamp) -> StoreResult<()> {
        use {api_keys as k, sessions as s, users as u};
        let (mut user_ids, mut session_ids, mut key_ids) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for usage in recorded {
            match usage {
                Usage::Session { session, user } => {
                    user_ids.insert(user.0);
                    session_ids.insert(session.0);
                }
                Usage::Key(key) => {
                    key_ids.insert(key.0);
                }
            }
        }
        let db = self.database.write();
        advance::<u::Entity>(db, u::Column::Id, u::Column::LastSeenAt, user_ids, at).await?;
        advance::<s::Entity>(db, s::Column::Id, s::Column::LastUsedAt, session_ids, at).await?;
        advance::<k::Entity>(db, k::Column::Id, k::Column::LastUsedAt, key_ids, at).await
    }

    async fn delete_expired(
        &self,
        what: ExpiredRows,
        before: Timestamp,
        limit: u64,
    ) -> StoreResult<u64> {
        let batch = Batch { database: &self.database, before: micros(before), limit };
        match what {
            ExpiredRows::Sessions => {
                use sessions::{Column, Entity};
                batch.delete::<Entity, Uuid>(Column::Id, Column::ExpiresAt).await
            }
            ExpiredRows::UsedLinks => {
                use used_links::{Column, Entity};
                batch.delete::<Entity, Vec<u8>>(Column::TokenHash, Column::At).await
            }
            ExpiredRows::LinkClaims => {
                use link_claims::{Column, Entity};
                batch.delete::<Entity, Vec<u8>>(Column::TokenHash, Column::ClaimedUntil).await
            }
            ExpiredRows::LoginRequests => {
                use login_requests::{Column, Entity};
                batch.delete::<Entity, Uuid>(Column::Id, Column::At).await
            }
            ExpiredRows::IdempotencyKeys => {
                use idempotency_keys::{Column, Entity};
                batch.delete::<Entity, Vec<u8>>(Column::KeyHash, Column::CreatedAt).await
            }
        }
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
