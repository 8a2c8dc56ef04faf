//! The mapping of values to columns that several tables share.

use std::fmt::Display;

use guestlist_domain::{Actor, ApiKeyId, Email, Metadata, Role, StoreError, UserId};
use jiff::Timestamp;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::CaseStatement;
use sea_orm::{Condition, Iterable};
use serde_json::Value;
use uuid::Uuid;

use crate::error::StoreResult;

/// The maximum number of values in an `IN` list.
pub(crate) const MAX_IDS: usize = 1_000;

/// The relations of a table that has none.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

/// A table whose rows are updated only at the version that was read.
pub(crate) trait Versioned: EntityTrait {
    const ID: Self::Column;
    const VERSION: Self::Column;
}

/// New values for a row at the given version.
pub(crate) struct RowUpdate<C> {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    /// The columns that change.
    pub(crate) set: Vec<(C, Expr)>,
}

/// Returns the columns that are set in `after` to another value than in `before`, with their new values.
pub(crate) fn changed_columns<A: ActiveModelTrait>(
    mut before: A,
    mut after: A,
) -> Vec<(<A::Entity as EntityTrait>::Column, Expr)> {
    let changed = |column| {
        let (before, after) = (before.take(column).into_value(), after.take(column).into_value());
        after.filter(|after| before.as_ref() != Some(after)).map(|after| (column, after.into()))
    };
    <A::Entity as EntityTrait>::Column::iter().filter_map(changed).collect()
}

/// Returns an expression that sets a time column unless it is later already.
pub(crate) fn at_least<C: ColumnTrait>(column: C, micros: i64) -> Expr {
    let earlier = Condition::any().add(column.is_null()).add(column.lt(micros));
    let later = Expr::col(column);
    CaseStatement::new().case(earlier, Expr::value(micros)).finally(later).into()
}

/// Returns the column value of a time: microseconds since the Unix epoch.
pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// Returns at most `length` characters of a text.
pub(crate) fn truncate(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

/// The three columns of an actor.
pub(crate) struct ActorColumns {
    pub(crate) kind: String,
    pub(crate) id: Option<Uuid>,
    pub(crate) name: Option<String>,
}

impl From<&Actor> for ActorColumns {
    fn from(actor: &Actor) -> Self {
        Self {
            kind: actor.kind().to_owned(),
            id: actor.id(),
            name: actor.name().map(|name| truncate(name, 255)),
        }
    }
}

/// Reads the columns of one row. A value that no version of this program writes is reported as
/// [`StoreError::Corrupt`], with its table, column and row.
pub(crate) struct RowReader {
    table: &'static str,
    id: String,
}

impl RowReader {
    pub(crate) fn new(table: &'static str, id: impl Display) -> Self {
        Self { table, id: id.to_string() }
    }

    fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, column, id: self.id.clone() }
    }

    /// Returns the parsed value of a column, or an error if it is `None`.
    pub(crate) fn require<T>(&self, column: &'static str, value: Option<T>) -> StoreResult<T> {
        value.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn time(&self, column: &'static str, micros: i64) -> StoreResult<Timestamp> {
        self.require(column, Timestamp::from_microsecond(micros).ok())
    }

    pub(crate) fn optional_time(
        &self,
        column: &'static str,
        micros: Option<i64>,
    ) -> StoreResult<Option<Timestamp>> {
        micros.map(|micros| self.time(column, micros)).transpose()
    }

    pub(crate) fn email(&self, text: &str) -> StoreResult<Email> {
        self.require("email", Email::parse(text).ok())
    }

    pub(crate) fn role(&self, word: &str) -> StoreResult<Role> {
        self.require("role", Role::parse(word))
    }

    pub(crate) fn json(&self, column: &'static str, text: &str) -> StoreResult<Value> {
        self.require(column, serde_json::from_str(text).ok())
    }

    pub(crate) fn metadata(&self, text: &str) -> StoreResult<Metadata> {
        let map = serde_json::from_str(text).ok();
        self.require("metadata", map.and_then(|map| Metadata::new(map).ok()))
    }

    pub(crate) fn hash(&self, column: &'static str, bytes: &[u8]) -> StoreResult<[u8; 32]> {
        self.require(column, bytes.try_into().ok())
    }

    pub(crate) fn actor(&self, column: &'static str, columns: ActorColumns) -> StoreResult<Actor> {
        let actor = match (columns.kind.as_str(), columns.id, columns.name) {
            ("user", Some(id), Some(name)) => Some(Actor::User { id: UserId(id), name }),
            ("key", Some(id), Some(name)) => Some(Actor::Key { id: ApiKeyId(id), name }),
            ("cli", None, None) => Some(Actor::Cli),
            ("system", None, None) => Some(Actor::System),
            _ => None,
        };
        self.require(column, actor)
    }
}
