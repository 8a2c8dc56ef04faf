//! API keys.

use guestlist_domain::{ApiKey, ApiKeyId, Scope, TokenHash, Update};
use sea_orm::ActiveValue::NotSet;

use super::columns::{RowUpdate, Versioned, at_least, changed_columns};
use super::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub hash: Vec<u8>,
    pub prefix: String,
    /// Separated by spaces.
    pub scopes: String,
    pub created_at: i64,
    pub last_used_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub version: i64,
}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Entity {
    const ID: Column = Column::Id;
    const VERSION: Column = Column::Version;
}

impl TryFrom<Model> for ApiKey {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = RowReader::new("api_keys", model.id);
        let scopes: Option<_> = model.scopes.split_whitespace().map(Scope::parse).collect();
        Ok(Self {
            id: ApiKeyId(model.id),
            name: model.name,
            hash: TokenHash(row.hash("hash", &model.hash)?),
            prefix: model.prefix,
            // An unknown scope is an error. To skip it could leave none, which means all scopes.
            scopes: row.require("scopes", scopes)?,
            created_at: row.time("created_at", model.created_at)?,
            last_used_at: row.optional_time("last_used_at", model.last_used_at)?,
            revoked_at: row.optional_time("revoked_at", model.revoked_at)?,
            version: model.version,
        })
    }
}

pub(crate) fn row(key: &ApiKey) -> ActiveModel {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    ActiveModel {
        id: Set(key.id.0),
        name: Set(key.name.clone()),
        hash: Set(key.hash.0.to_vec()),
        prefix: Set(key.prefix.clone()),
        scopes: Set(scopes.join(" ")),
        created_at: Set(micros(key.created_at)),
        last_used_at: Set(key.last_used_at.map(micros)),
        revoked_at: Set(key.revoked_at.map(micros)),
        version: Set(key.version),
    }
}

pub(crate) fn update(Update { before, after }: &Update<ApiKey>) -> RowUpdate<Column> {
    let written = ActiveModel { last_used_at: NotSet, version: NotSet, ..row(after) };
    let mut set = changed_columns(row(before), written);
    if let Some(at) = after.last_used_at.filter(|_| after.last_used_at != before.last_used_at) {
        set.push((Column::LastUsedAt, at_least(Column::LastUsedAt, micros(at))));
    }
    RowUpdate { id: before.id.0, version: before.version, set }
}
