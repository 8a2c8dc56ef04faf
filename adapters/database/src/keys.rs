//! API keys.

use async_trait::async_trait;
use guestlist_domain::{ApiKey, ApiKeyId, Change, ReadKeys, Scope, StoreError, TokenHash};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    sea_query::Expr,
};

use crate::apply::Refusal;
use crate::rows::{self, Update, Versioned, forward};
use crate::store::SqlStore;
use crate::values::{Row, micros};

type Answer<T> = Result<T, StoreError>;

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_keys")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub hash: Vec<u8>,
        pub prefix: String,
        /// Words with spaces between.
        pub scopes: String,
        pub created_at: i64,
        pub last_used_at: Option<i64>,
        pub revoked_at: Option<i64>,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

impl Versioned for Entity {
    const ID: Column = Column::Id;
    const VERSION: Column = Column::Version;
}

impl TryFrom<Model> for ApiKey {
    type Error = StoreError;

    fn try_from(model: Model) -> Answer<Self> {
        let row = Row::of("api_keys", model.id);
        let scopes: Option<_> = model.scopes.split_whitespace().map(Scope::parse).collect();
        Ok(Self {
            id: ApiKeyId(model.id),
            name: model.name,
            hash: TokenHash(row.hash("hash", &model.hash)?),
            prefix: model.prefix,
            // A word that is not understood must not become "everything".
            scopes: row.whole("scopes", scopes)?,
            created_at: row.time("created_at", model.created_at)?,
            last_used_at: row.maybe_time("last_used_at", model.last_used_at)?,
            revoked_at: row.maybe_time("revoked_at", model.revoked_at)?,
            version: model.version,
        })
    }
}

fn scopes(key: &ApiKey) -> String {
    key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

fn row(key: &ApiKey) -> ActiveModel {
    ActiveModel {
        id: Set(key.id.0),
        name: Set(key.name.clone()),
        hash: Set(key.hash.0.to_vec()),
        prefix: Set(key.prefix.clone()),
        scopes: Set(scopes(key)),
        created_at: Set(micros(key.created_at)),
        last_used_at: Set(key.last_used_at.map(micros)),
        revoked_at: Set(key.revoked_at.map(micros)),
        version: Set(key.version),
    }
}

/// A key's secret is its secret for good.
fn update(key: &ApiKey) -> Update<Column> {
    let set = vec![
        (Column::Name, Expr::value(key.name.clone())),
        (Column::Scopes, Expr::value(scopes(key))),
        (Column::LastUsedAt, forward(Column::LastUsedAt, key.last_used_at.map(micros))),
        (Column::RevokedAt, Expr::value(key.revoked_at.map(micros))),
    ];
    Update { id: key.id.0, version: key.version, set }
}

pub(crate) async fn write(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let deleted = changes.iter().flat_map(|c| &c.api_keys.delete);
    rows::delete::<Entity>(tx, deleted.map(|k| (k.id.0, k.version)).collect()).await?;

    let updated = changes.iter().flat_map(|c| &c.api_keys.update);
    rows::update::<Entity>(tx, updated.map(update).collect()).await?;

    let mut inserted: Vec<_> = changes.iter().flat_map(|c| &c.api_keys.insert).collect();
    inserted.sort_by_key(|key| key.id);
    rows::insert(tx, inserted.into_iter().map(row).collect()).await?;
    Ok(())
}

#[async_trait]
impl ReadKeys for SqlStore {
    async fn api_key_by_hash(&self, hash: TokenHash) -> Answer<Option<ApiKey>> {
        self.one(Entity::find().filter(Column::Hash.eq(hash.0.to_vec()))).await
    }

    async fn api_key(&self, id: ApiKeyId) -> Answer<Option<ApiKey>> {
        self.one(Entity::find_by_id(id.0)).await
    }

    async fn api_keys(&self) -> Answer<Vec<ApiKey>> {
        self.all(Entity::find().order_by_desc(Column::Id)).await
    }
}
