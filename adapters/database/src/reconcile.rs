//! What a comparison with Stytch reads, many rows at a time, and what came of it.

use async_trait::async_trait;
use guestlist_domain::{
    Change, Email, ReadReconciliation, Reconciliation, ReconciliationId, RepairAction, StoreError,
    Tombstone, User, UserId,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Value,
};

use crate::apply::Refusal;
use crate::rows::{self, LIST};
use crate::store::SqlStore;
use crate::values::{Row, micros};
use crate::{tombstones, users};

type Answer<T> = Result<T, StoreError>;

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "reconciliations")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub started_at: i64,
        pub finished_at: i64,
        pub repair_action: String,
        pub users: i64,
        pub identities: i64,
        pub counts: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

impl TryFrom<Model> for Reconciliation {
    type Error = StoreError;

    fn try_from(model: Model) -> Answer<Self> {
        let row = Row::of("reconciliations", model.id);
        let counts = row.json("counts", &model.counts)?;
        Ok(Self {
            id: ReconciliationId(model.id),
            started_at: row.time("started_at", model.started_at)?,
            finished_at: row.time("finished_at", model.finished_at)?,
            repair_action: row.whole("repair_action", RepairAction::parse(&model.repair_action))?,
            users: row.whole("users", model.users.try_into().ok())?,
            identities: row.whole("identities", model.identities.try_into().ok())?,
            counts: row.whole("counts", serde_json::from_value(counts).ok())?,
        })
    }
}

fn row(record: &Reconciliation) -> ActiveModel {
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    ActiveModel {
        id: Set(record.id.0),
        started_at: Set(micros(record.started_at)),
        finished_at: Set(micros(record.finished_at)),
        repair_action: Set(record.repair_action.to_string()),
        users: Set(whole(record.users)),
        identities: Set(whole(record.identities)),
        counts: Set(serde_json::json!(record.counts).to_string()),
    }
}

/// Only the newest is kept: what was done is told by events.
pub(crate) async fn write(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let records: Vec<_> = changes.iter().flat_map(|c| &c.reconciliations).collect();
    let Some(newest) = records.iter().map(|record| record.id.0).max() else { return Ok(()) };
    rows::insert(tx, records.into_iter().map(row).collect()).await?;
    Entity::delete_many().filter(Column::Id.lt(newest)).exec(tx).await?;
    Ok(())
}

impl SqlStore {
    /// The rows whose column has one of these values.
    async fn all_of<E, T>(&self, column: E::Column, values: Vec<Value>) -> Answer<Vec<T>>
    where
        E: EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let mut found = Vec::new();
        for values in values.chunks(LIST) {
            found.extend(self.all(E::find().filter(column.is_in(values.to_vec()))).await?);
        }
        Ok(found)
    }
}

#[async_trait]
impl ReadReconciliation for SqlStore {
    async fn users_from(&self, after: Option<UserId>, limit: u64) -> Answer<Vec<User>> {
        let query = users::entity::Entity::find();
        let query = match after {
            Some(after) => query.filter(users::entity::Column::Id.gt(after.0)),
            None => query,
        };
        self.all(query.order_by_asc(users::entity::Column::Id).limit(limit)).await
    }

    async fn users_by_provider_ids(&self, ids: &[String]) -> Answer<Vec<User>> {
        let ids = ids.iter().map(|id| id.as_str().into()).collect();
        self.all_of::<users::entity::Entity, _>(users::entity::Column::ProviderUserId, ids).await
    }

    async fn users_by_emails(&self, emails: &[Email]) -> Answer<Vec<User>> {
        let emails = emails.iter().map(|email| email.as_str().into()).collect();
        self.all_of::<users::entity::Entity, _>(users::entity::Column::Email, emails).await
    }

    async fn tombstones(&self, ids: &[String]) -> Answer<Vec<Tombstone>> {
        let ids = ids.iter().map(|id| id.as_str().into()).collect();
        let column = tombstones::entity::Column::ProviderUserId;
        self.all_of::<tombstones::entity::Entity, _>(column, ids).await
    }

    async fn last_reconciliation(&self) -> Answer<Option<Reconciliation>> {
        self.one(Entity::find().order_by_desc(Column::Id)).await
    }
}
