//! How the domain's values are kept in columns, and read back: what no version of this program
//! wrote is reported as corrupt, by table, column and row.

use std::fmt::Display;

use guestlist_domain::{Actor, ApiKeyId, Email, Metadata, Role, StoreError, UserId};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

type Answer<T> = Result<T, StoreError>;

/// Microseconds since 1970, UTC.
pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// At most so many characters of a text that is not ours to refuse.
pub(crate) fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

/// Who did something, in three columns.
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
            name: actor.name().map(|name| cut(name, 255)),
        }
    }
}

/// A row that is being read.
pub(crate) struct Row {
    table: &'static str,
    id: String,
}

impl Row {
    pub(crate) fn of(table: &'static str, id: impl Display) -> Self {
        Self { table, id: id.to_string() }
    }

    fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, column, id: self.id.clone() }
    }

    /// What a column was read as, if it could be.
    pub(crate) fn whole<T>(&self, column: &'static str, value: Option<T>) -> Answer<T> {
        value.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn time(&self, column: &'static str, micros: i64) -> Answer<Timestamp> {
        self.whole(column, Timestamp::from_microsecond(micros).ok())
    }

    pub(crate) fn maybe_time(
        &self,
        column: &'static str,
        micros: Option<i64>,
    ) -> Answer<Option<Timestamp>> {
        micros.map(|micros| self.time(column, micros)).transpose()
    }

    pub(crate) fn email(&self, text: &str) -> Answer<Email> {
        self.whole("email", Email::parse(text).ok())
    }

    pub(crate) fn role(&self, word: &str) -> Answer<Role> {
        self.whole("role", Role::parse(word))
    }

    pub(crate) fn json(&self, column: &'static str, text: &str) -> Answer<Value> {
        self.whole(column, serde_json::from_str(text).ok())
    }

    pub(crate) fn metadata(&self, text: &str) -> Answer<Metadata> {
        let map = serde_json::from_str(text).ok();
        self.whole("metadata", map.and_then(|map| Metadata::new(map).ok()))
    }

    pub(crate) fn hash(&self, column: &'static str, bytes: &[u8]) -> Answer<[u8; 32]> {
        self.whole(column, bytes.try_into().ok())
    }

    pub(crate) fn actor(&self, column: &'static str, columns: ActorColumns) -> Answer<Actor> {
        let actor = match (columns.kind.as_str(), columns.id, columns.name) {
            ("user", Some(id), Some(name)) => Some(Actor::User { id: UserId(id), name }),
            ("key", Some(id), Some(name)) => Some(Actor::Key { id: ApiKeyId(id), name }),
            ("cli", None, None) => Some(Actor::Cli),
            ("system", None, None) => Some(Actor::System),
            _ => None,
        };
        self.whole(column, actor)
    }
}
