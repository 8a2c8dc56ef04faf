//! Users. The table `user_emails` keeps their addresses unique.

use guestlist_domain::{Name, Update, User, UserId, UserStatus};
use sea_orm::ActiveValue::NotSet;

use super::columns::{RowUpdate, Versioned, at_least, changed_columns};
use super::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: String,
    pub name: Option<String>,
    /// The name in lower case, for search.
    pub name_key: Option<String>,
    /// The length of the common prefix of address and name, up to [`MAX_COMMON_PREFIX`].
    pub common_prefix_len: i32,
    pub role: String,
    pub status: String,
    pub metadata: String,
    pub provider_user_id: Option<String>,
    pub created_at: i64,
    pub last_seen_at: Option<i64>,
    pub version: i64,
}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Entity {
    const ID: Column = Column::Id;
    const VERSION: Column = Column::Version;
}

/// The longest common prefix of address and name that is counted. It bounds the number of index
/// ranges that a search by name reads. A search for more characters also reads, and skips, the few
/// users whose address matches as well.
pub(crate) const MAX_COMMON_PREFIX: i32 = 8;

impl TryFrom<Columns<'_, Entity>> for User {
    type Error = StoreError;

    fn try_from(mut columns: Columns<'_, Entity>) -> Result<Self, StoreError> {
        let id = columns.next()?;
        let row = RowReader::new("users", id);
        let email = row.email(columns.next()?)?;
        let name = columns.next::<Option<_>>()?.map(Name::stored);
        // The columns for search.
        columns.skip(2);
        Ok(Self {
            id: UserId(id),
            email,
            name,
            role: row.role(columns.next()?)?,
            status: row.require("status", UserStatus::parse(columns.next()?))?,
            metadata: row.metadata(columns.next()?)?,
            provider_user_id: columns.next()?,
            created_at: row.time("created_at", columns.next()?)?,
            last_seen_at: row.optional_time("last_seen_at", columns.next()?)?,
            version: columns.next()?,
        })
    }
}

pub(crate) fn row(user: &User) -> ActiveModel {
    ActiveModel {
        id: Set(user.id.0),
        email: Set(user.email.as_str().to_owned()),
        name: Set(user.name.as_ref().map(|name| name.as_str().to_owned())),
        name_key: Set(user.name.as_ref().map(Name::key)),
        common_prefix_len: Set(common_prefix_len(user)),
        role: Set(user.role.to_string()),
        status: Set(user.status.to_string()),
        metadata: Set(user.metadata.to_json()),
        provider_user_id: Set(user.provider_user_id.clone()),
        created_at: Set(micros(user.created_at)),
        last_seen_at: Set(user.last_seen_at.map(micros)),
        version: Set(user.version),
    }
}

pub(crate) fn update(Update { before, after }: &Update<User>) -> RowUpdate<Column> {
    let written = ActiveModel { last_seen_at: NotSet, version: NotSet, ..row(after) };
    let mut set = changed_columns(row(before), written);
    if let Some(at) = after.last_seen_at.filter(|_| after.last_seen_at != before.last_seen_at) {
        set.push((Column::LastSeenAt, at_least(Column::LastSeenAt, micros(at))));
    }
    RowUpdate { id: before.id.0, version: before.version, set }
}

fn common_prefix_len(user: &User) -> i32 {
    let name = user.name.as_ref().map(Name::key).unwrap_or_default();
    let pairs = user.email.as_str().chars().zip(name.chars());
    let equal = pairs.take_while(|(email, name)| email == name).count();
    i32::try_from(equal).unwrap_or(i32::MAX).min(MAX_COMMON_PREFIX)
}
