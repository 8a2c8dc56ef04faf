//! The mapping of values to columns that several tables share.

use std::fmt::Display;
use std::marker::PhantomData;

use guestlist_domain::{Actor, ApiKeyId, Email, Metadata, Role, StoreError, UserId};
use jiff::Timestamp;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::CaseStatement;
use sea_orm::{Condition, Iterable, QueryResult, RuntimeErr};
use serde_json::Value;
use sqlx::{Decode, MySql, Row, Sqlite, Type};
use uuid::Uuid;

use crate::error::{StoreResult, store_error};

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

impl ActorColumns {
    pub(crate) fn read<E: EntityTrait>(columns: &mut Columns<'_, E>) -> StoreResult<Self> {
        Ok(Self { kind: columns.next()?, id: columns.next()?, name: columns.next()? })
    }
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

/// The values of a row of table `E`, in the order of its columns.
///
/// The fields of a table's `Model` must be in the order in which its `TryFrom<Columns>` reads them.
/// SeaORM's models look each column up by its name, own every text, and format an error for every
/// NULL, which takes longer than all else in reading a row.
pub(crate) struct Columns<'r, E> {
    row: &'r QueryResult,
    next: usize,
    table: PhantomData<E>,
}

impl<'r, E: EntityTrait> Columns<'r, E> {
    pub(crate) fn new(row: &'r QueryResult) -> Self {
        Self::from(row, 0)
    }

    /// Returns the values of a joined table, which is selected after the columns of table `First`.
    pub(crate) fn joined_to<First: EntityTrait>(row: &'r QueryResult) -> Self {
        Self::from(row, First::Column::iter().count())
    }

    fn from(row: &'r QueryResult, next: usize) -> Self {
        Self { row, next, table: PhantomData }
    }

    /// Returns the value of the next column.
    pub(crate) fn next<T>(&mut self) -> StoreResult<T>
    where
        T: Decode<'r, MySql> + Type<MySql> + Decode<'r, Sqlite> + Type<Sqlite>,
    {
        let index = self.next;
        self.next += 1;
        let value = match (self.row.try_as_mysql_row(), self.row.try_as_sqlite_row()) {
            (Some(row), _) => row.try_get(index),
            (_, Some(row)) => row.try_get(index),
            (None, None) => Err(sqlx::Error::RowNotFound),
        };
        value.map_err(|error| store_error(DbErr::Query(RuntimeErr::SqlxError(error.into()))))
    }

    /// Skips columns that the domain does not read.
    pub(crate) fn skip(&mut self, columns: usize) {
        self.next += columns;
    }
}

/// Parses the columns of one row. A value that no version of this program writes is reported as
/// [`StoreError::Corrupt`], with its table, column and row.
pub(crate) struct RowReader<Id> {
    table: &'static str,
    id: Id,
}

impl<Id: Display> RowReader<Id> {
    pub(crate) fn new(table: &'static str, id: Id) -> Self {
        Self { table, id }
    }

    fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, column, id: self.id.to_string() }
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
        self.require("metadata", Metadata::from_json(text))
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
