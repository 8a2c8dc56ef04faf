//! Whether the schema that this program needs is really there. Rows of the history of migrations
//! do not tell: PlanetScale copies those after a deploy, or not at all.

use apalis_sea_orm::entity::{attempt, job, queue, rate, worker};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect, sea_query::Query};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::sqlite::SqliteError;
use thiserror::Error;

use crate::connect::Database;
use crate::errors::{Class, class, sqlx_error};
use crate::{
    events, guards, idempotency, invitations, keys, logins, reconcile, removed_addresses, sessions,
    tombstones, users,
};

/// Why the schema can't be used, and what to do about it. One line each.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// A table or column is missing.
    #[error("the database lacks what this version needs ({0}): run `guestlist migrate up`")]
    Missing(String),
    /// The account at the server may not read a table.
    #[error(
        "the database refuses to read its tables ({0}): grant the user of DATABASE_URL SELECT, \
         INSERT, UPDATE and DELETE on all of them"
    )]
    Denied(String),
    /// The server holds as many prepared statements as it may.
    #[error("the database prepares no more statements ({0}): raise max_prepared_stmt_count there")]
    TooManyStatements(String),
    /// The file that this process has open no longer has its name.
    #[error(
        "the database file was deleted or replaced while this process had it open: restore it if \
         need be, then restart"
    )]
    FileGone,
    /// The database could not be asked.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Any other refusal.
    #[error("the database can't be read: {0}")]
    Failed(String),
}

impl Database {
    /// Asks every table for every column, and for no row.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        self.check_file()?;
        self.check::<users::entity::Entity>().await?;
        self.check::<users::address::Entity>().await?;
        self.check::<invitations::entity::Entity>().await?;
        self.check::<sessions::entity::Entity>().await?;
        self.check::<events::entity::Entity>().await?;
        self.check::<logins::request::Entity>().await?;
        self.check::<logins::link::Entity>().await?;
        self.check::<logins::claim::Entity>().await?;
        self.check::<keys::entity::Entity>().await?;
        self.check::<tombstones::entity::Entity>().await?;
        self.check::<removed_addresses::entity::Entity>().await?;
        self.check::<guards::entity::Entity>().await?;
        self.check::<reconcile::entity::Entity>().await?;
        self.check::<idempotency::entity::Entity>().await?;
        self.check::<job::Entity>().await?;
        self.check::<attempt::Entity>().await?;
        self.check::<queue::Entity>().await?;
        self.check::<rate::Entity>().await?;
        self.check::<worker::Entity>().await?;
        // The queue keeps its columns to itself.
        let stats = Query::select().expr(1).from("job_stats").limit(0).take();
        self.read().query_all(&stats).await.map(drop).map_err(|error| schema_error(&error))
    }

    async fn check<E: EntityTrait>(&self) -> Result<(), SchemaError> {
        let nothing = E::find().limit(0).all(self.read()).await;
        nothing.map(drop).map_err(|error| schema_error(&error))
    }
}

fn schema_error(error: &DbErr) -> SchemaError {
    let text = match sqlx_error(error) {
        Some(sqlx::Error::Database(error)) => error.message().to_owned(),
        _ => error.to_string(),
    };
    schema_error_of(number(error), class(error), text)
}

fn schema_error_of(number: Option<Number>, class: Class, text: String) -> SchemaError {
    match number {
        // Of Vitess 1109, for a table that its schema lacks.
        Some(Number::MySql(1054 | 1109 | 1146)) => SchemaError::Missing(text),
        Some(Number::MySql(1044 | 1142 | 1143)) => SchemaError::Denied(text),
        Some(Number::MySql(1461)) => SchemaError::TooManyStatements(text),
        Some(Number::Sqlite(1)) if is_missing(&text) => SchemaError::Missing(text),
        _ => match class {
            Class::Again | Class::Away | Class::ReadOnly | Class::Down | Class::Lost => {
                SchemaError::Unavailable(text)
            }
            Class::Bug | Class::Conflict => SchemaError::Failed(text),
        },
    }
}

/// An error's number, as its engine counts.
#[derive(Debug, Clone, Copy)]
enum Number {
    MySql(u16),
    Sqlite(i32),
}

fn number(error: &DbErr) -> Option<Number> {
    let Some(sqlx::Error::Database(error)) = sqlx_error(error) else { return None };
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return Some(Number::MySql(error.number()));
    }
    error.try_downcast_ref::<SqliteError>()?;
    error.code()?.parse().ok().map(Number::Sqlite)
}

/// SQLite has one number for every mistake in a statement.
fn is_missing(text: &str) -> bool {
    text.starts_with("no such table") || text.starts_with("no such column")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: Number, class: Class, text: &str) -> String {
        schema_error_of(Some(number), class, text.to_owned()).to_string()
    }

    #[test]
    fn only_what_is_missing_leads_to_a_migration() {
        use Number::{MySql, Sqlite};
        for (number, class, text, advice) in [
            (MySql(1146), Class::Bug, "Table 'app.users' doesn't exist", "guestlist migrate up"),
            (MySql(1054), Class::Bug, "Unknown column 'name' in 'SELECT'", "guestlist migrate up"),
            (Sqlite(1), Class::Bug, "no such table: users", "guestlist migrate up"),
            (Sqlite(1), Class::Bug, "no such column: users.name", "guestlist migrate up"),
            (Sqlite(1), Class::Bug, "near \"x\": syntax error", "can't be read"),
            (Sqlite(11), Class::Bug, "database disk image is malformed", "can't be read"),
            (Sqlite(14), Class::Away, "unable to open database file", "unavailable"),
            (MySql(1142), Class::Bug, "SELECT command denied for table 'users'", "grant the user"),
            (MySql(1143), Class::Bug, "SELECT command denied for column 'name'", "grant the user"),
            (MySql(1461), Class::Away, "Can't create more than", "raise max_prepared_stmt_count"),
            (MySql(1049), Class::Away, "Unknown database 'app'", "unavailable"),
            (MySql(1064), Class::Bug, "You have an error in your SQL syntax", "can't be read"),
        ] {
            let message = message(number, class, text);
            assert!(message.contains(text) && message.contains(advice), "{message}");
            let migrates = message.contains("guestlist migrate up");
            assert_eq!(migrates, advice.starts_with("guestlist"), "{message}");
            assert!(!message.contains("anew") && !message.contains("drop"), "{message}");
        }
    }
}
