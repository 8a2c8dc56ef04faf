//! Checks that the tables and columns that this program uses exist. The history of migrations is no
//! proof: PlanetScale copies its rows after a deploy request, or not at all.

use apalis_sea_orm::entity::{attempt, job, queue, rate, worker};
use apalis_sea_orm::{ErrorClass, ErrorCode, error_code};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect, sea_query::Query};
use thiserror::Error;

use crate::connect::{Database, FileGone};
use crate::error::{classify, message};
use crate::tables::{
    api_keys, events, guards, idempotency_keys, invitations, link_claims, login_requests,
    reconciliations, removed_addresses, sessions, tombstones, used_links, user_emails, users,
};

/// The reason the schema can't be used, and its remedy: one line.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// A table or column is missing.
    #[error("the database lacks what this version needs ({0}): run `guestlist migrate up`")]
    Missing(String),
    /// The database user lacks a privilege.
    #[error(
        "the database refuses to read its tables ({0}): grant the user of DATABASE_URL SELECT, \
         INSERT, UPDATE and DELETE on all of them"
    )]
    Denied(String),
    /// The server's limit of prepared statements is reached.
    #[error("the database prepares no more statements ({0}): raise max_prepared_stmt_count there")]
    TooManyStatements(String),
    /// The SQLite file was deleted or replaced.
    #[error(transparent)]
    FileGone(#[from] FileGone),
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    #[error("the database can't be read: {0}")]
    Failed(String),
}

impl Database {
    /// Selects every column of every table, without reading a row.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        self.check_file()?;
        self.check::<users::Entity>().await?;
        self.check::<user_emails::Entity>().await?;
        self.check::<invitations::Entity>().await?;
        self.check::<sessions::Entity>().await?;
        self.check::<events::Entity>().await?;
        self.check::<login_requests::Entity>().await?;
        self.check::<used_links::Entity>().await?;
        self.check::<link_claims::Entity>().await?;
        self.check::<api_keys::Entity>().await?;
        self.check::<tombstones::Entity>().await?;
        self.check::<removed_addresses::Entity>().await?;
        self.check::<guards::Entity>().await?;
        self.check::<reconciliations::Entity>().await?;
        self.check::<idempotency_keys::Entity>().await?;
        self.check::<job::Entity>().await?;
        self.check::<attempt::Entity>().await?;
        self.check::<queue::Entity>().await?;
        self.check::<rate::Entity>().await?;
        self.check::<worker::Entity>().await?;
        // The queue does not publish the columns of this table.
        let stats = Query::select().expr(1).from("job_stats").limit(0).take();
        self.read().query_all(&stats).await.map(drop).map_err(|error| schema_error(&error))
    }

    async fn check<E: EntityTrait>(&self) -> Result<(), SchemaError> {
        let no_rows = E::find().limit(0).all(self.read()).await;
        no_rows.map(drop).map_err(|error| schema_error(&error))
    }
}

fn schema_error(error: &DbErr) -> SchemaError {
    schema_error_of(error_code(error), classify(error), message(error))
}

fn schema_error_of(code: Option<ErrorCode>, class: ErrorClass, message: String) -> SchemaError {
    match code {
        // Unknown column; unknown table, as Vitess reports it; unknown table.
        Some(ErrorCode::MySql(1054 | 1109 | 1146)) => SchemaError::Missing(message),
        Some(ErrorCode::MySql(1044 | 1142 | 1143)) => SchemaError::Denied(message),
        Some(ErrorCode::MySql(1461)) => SchemaError::TooManyStatements(message),
        // SQLite reports every invalid statement under this code.
        Some(ErrorCode::Sqlite(1)) if is_missing(&message) => SchemaError::Missing(message),
        _ => match class {
            ErrorClass::Permanent | ErrorClass::UniqueViolation => SchemaError::Failed(message),
            ErrorClass::Retryable
            | ErrorClass::Unavailable
            | ErrorClass::ReadOnly
            | ErrorClass::StorageFailure
            | ErrorClass::ConnectionLost => SchemaError::Unavailable(message),
        },
    }
}

fn is_missing(message: &str) -> bool {
    message.starts_with("no such table") || message.starts_with("no such column")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remediation(code: ErrorCode, class: ErrorClass, text: &str) -> String {
        schema_error_of(Some(code), class, text.to_owned()).to_string()
    }

    #[test]
    fn only_missing_tables_and_columns_advise_a_migration() {
        use ErrorClass::{Permanent, StorageFailure, Unavailable};
        use ErrorCode::{MySql, Sqlite};
        for (code, class, text, expected) in [
            (MySql(1146), Permanent, "Table 'app.users' doesn't exist", "guestlist migrate up"),
            (MySql(1054), Permanent, "Unknown column 'name' in 'SELECT'", "guestlist migrate up"),
            (Sqlite(1), Permanent, "no such table: users", "guestlist migrate up"),
            (Sqlite(1), Permanent, "no such column: users.name", "guestlist migrate up"),
            (Sqlite(1), Permanent, "near \"x\": syntax error", "can't be read"),
            (Sqlite(11), Permanent, "database disk image is malformed", "can't be read"),
            (Sqlite(14), StorageFailure, "unable to open database file", "unavailable"),
            (MySql(1142), Permanent, "SELECT command denied for table 'users'", "grant the user"),
            (MySql(1143), Permanent, "SELECT command denied for column 'name'", "grant the user"),
            (MySql(1461), Unavailable, "Can't create more than", "raise max_prepared_stmt_count"),
            (MySql(1049), Unavailable, "Unknown database 'app'", "unavailable"),
            (MySql(1064), Permanent, "You have an error in your SQL syntax", "can't be read"),
        ] {
            let remediation = remediation(code, class, text);
            assert!(remediation.contains(text) && remediation.contains(expected), "{remediation}");
            let migrates = remediation.contains("guestlist migrate up");
            assert_eq!(migrates, expected.starts_with("guestlist"), "{remediation}");
            assert!(
                !remediation.contains("anew") && !remediation.contains("drop"),
                "{remediation}"
            );
        }
    }
}
