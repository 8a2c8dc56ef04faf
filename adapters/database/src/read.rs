//! Reads: the domain's read ports, and what they share.

pub(crate) mod invitations;
pub(crate) mod lookups;
pub(crate) mod search;
mod sessions;
mod users;

use apalis_sea_orm::entity::{attempt, job};
use async_trait::async_trait;
use guestlist_domain::{
    ApiKey, ApiKeyId, Email, JobId, JobState, QueuedJob, ReadJobs, ReadKeys, ReadReconciliation,
    Reconciliation, StoreError, TokenHash, Tombstone, User, UserId,
};
use jiff::Timestamp;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select, Value,
};

use crate::error::{StoreResult, store_error};
use crate::store::SqlStore;
use crate::tables::columns::{Columns, MAX_IDS, RowReader, micros};
use crate::tables::{api_keys, reconciliations, tombstones, users as user_rows};

impl SqlStore {
    pub(crate) async fn one<E, T>(&self, query: Select<E>) -> StoreResult<Option<T>>
    where
        E: EntityTrait,
        T: for<'r> TryFrom<Columns<'r, E>, Error = StoreError>,
    {
        let row = self.database.read().query_one(query.limit(1).as_query()).await;
        row.map_err(store_error)?.map(|row| Columns::new(&row).try_into()).transpose()
    }

    pub(crate) async fn all<E, T>(&self, query: Select<E>) -> StoreResult<Vec<T>>
    where
        E: EntityTrait,
        T: for<'r> TryFrom<Columns<'r, E>, Error = StoreError>,
    {
        self.all_by_statement(query.as_query()).await
    }

    /// Runs a statement that returns all columns of one table.
    pub(crate) async fn all_by_statement<E, T>(
        &self,
        statement: &SelectStatement,
    ) -> StoreResult<Vec<T>>
    where
        E: EntityTrait,
        T: for<'r> TryFrom<Columns<'r, E>, Error = StoreError>,
    {
        let rows = self.database.read().query_all(statement).await.map_err(store_error)?;
        rows.iter().map(|row| Columns::new(row).try_into()).collect()
    }

    pub(crate) async fn exists<E: EntityTrait>(&self, query: Select<E>) -> StoreResult<bool> {
        Ok(query.one(self.database.read()).await.map_err(store_error)?.is_some())
    }

    /// Returns the rows whose column has one of the values.
    async fn all_with<E, T>(
        &self,
        column: E::Column,
        values: impl Iterator<Item = Value>,
    ) -> StoreResult<Vec<T>>
    where
        E: EntityTrait,
        T: for<'r> TryFrom<Columns<'r, E>, Error = StoreError>,
    {
        let values: Vec<Value> = values.collect();
        let mut found = Vec::new();
        for values in values.chunks(MAX_IDS) {
            found.extend(self.all(E::find().filter(column.is_in(values.to_vec()))).await?);
        }
        Ok(found)
    }
}

#[async_trait]
impl ReadKeys for SqlStore {
    async fn api_key_by_hash(&self, hash: TokenHash) -> StoreResult<Option<ApiKey>> {
        self.lookups.api_keys_by_hash.load(hash).await
    }

    async fn api_key(&self, id: ApiKeyId) -> StoreResult<Option<ApiKey>> {
        self.one(api_keys::Entity::find_by_id(id.0)).await
    }

    async fn api_keys(&self) -> StoreResult<Vec<ApiKey>> {
        self.all(api_keys::Entity::find().order_by_desc(api_keys::Column::Id)).await
    }
}

#[async_trait]
impl ReadJobs for SqlStore {
    async fn job(&self, id: JobId) -> StoreResult<Option<QueuedJob>> {
        let row = job::Entity::find_by_id(id.0).one(self.database.read()).await;
        row.map_err(store_error)?.map(queued_job).transpose()
    }

    async fn first_lost_attempt(
        &self,
        id: JobId,
        since: Timestamp,
    ) -> StoreResult<Option<Timestamp>> {
        use attempt::Column as C;
        let lost = attempt::Entity::find()
            .filter(C::JobId.eq(id.0))
            .filter(C::Outcome.eq("lost"))
            .filter(C::StartedAt.gte(micros(since)))
            .all(self.database.read())
            .await
            .map_err(store_error)?;
        let first = lost.iter().map(|attempt| attempt.started_at).min();
        RowReader::new("job_attempts", id.0).optional_time("started_at", first)
    }
}

#[async_trait]
impl ReadReconciliation for SqlStore {
    async fn users_from(&self, after: Option<UserId>, limit: u64) -> StoreResult<Vec<User>> {
        use user_rows::{Column, Entity};
        let rest = after.map(|after| Column::Id.gt(after.0));
        let users = Entity::find().filter(Condition::all().add_option(rest));
        self.all(users.order_by_asc(Column::Id).limit(limit)).await
    }

    async fn users_by_provider_ids(&self, ids: &[String]) -> StoreResult<Vec<User>> {
        let ids = ids.iter().map(|id| id.as_str().into());
        self.all_with::<user_rows::Entity, _>(user_rows::Column::ProviderUserId, ids).await
    }

    async fn users_by_emails(&self, emails: &[Email]) -> StoreResult<Vec<User>> {
        let emails = emails.iter().map(|email| email.as_str().into());
        self.all_with::<user_rows::Entity, _>(user_rows::Column::Email, emails).await
    }

    async fn tombstones(&self, ids: &[String]) -> StoreResult<Vec<Tombstone>> {
        let ids = ids.iter().map(|id| id.as_str().into());
        self.all_with::<tombstones::Entity, _>(tombstones::Column::ProviderUserId, ids).await
    }

    async fn last_reconciliation(&self) -> StoreResult<Option<Reconciliation>> {
        let newest_first =
            reconciliations::Entity::find().order_by_desc(reconciliations::Column::Id);
        self.one(newest_first).await
    }
}

fn queued_job(model: job::Model) -> StoreResult<QueuedJob> {
    let row = RowReader::new("jobs", model.id);
    Ok(QueuedJob {
        id: JobId(model.id),
        queue: model.queue,
        kind: model.kind,
        args: serde_json::from_str(&model.args).unwrap_or_default(),
        state: row.require("state", JobState::parse(&model.state))?,
    })
}
