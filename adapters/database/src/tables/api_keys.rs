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

impl TryFrom<Columns<'_, Entity>> for ApiKey {
    type Error = StoreError;

    fn try_from(mut columns: Columns<'_, Entity>) -> Result<Self, StoreError> {
        let id = columns.next()?;
        let row = RowReader::new("api_keys", id);
        Ok(Self {
            id: ApiKeyId(id),
            name: columns.next()?,
            hash: TokenHash(row.hash("hash", columns.next()?)?),
            prefix: columns.next()?,
            scopes: row.require("scopes", parse_scopes(columns.next()?))?,
            created_at: row.time("created_at", columns.next()?)?,
            last_used_at: row.optional_time("last_used_at", columns.next()?)?,
            revoked_at: row.optional_time("revoked_at", columns.next()?)?,
            version: columns.next()?,
        })
    }
}

/// Returns `None` if a scope is unknown. To skip it could leave none, which means all scopes.
fn parse_scopes(text: &str) -> Option<Vec<Scope>> {
    text.split_whitespace().map(Scope::parse).collect()
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
