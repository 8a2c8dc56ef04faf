//! Classification of database errors, and their conversion into the domain's errors.

use std::io;

use apalis_sea_orm::sqlx_error;
use guestlist_domain::{StoreError, Verdict};
use sea_orm::{DbErr, RuntimeErr};
use thiserror::Error;

pub(crate) use apalis_sea_orm::ErrorClass;

pub(crate) type StoreResult<T> = Result<T, StoreError>;

/// The error of a statement that was not sent, because the database is known to be unavailable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub(crate) struct KnownOutage(pub(crate) String);

impl From<KnownOutage> for DbErr {
    fn from(outage: KnownOutage) -> Self {
        Self::Conn(RuntimeErr::SqlxError(sqlx::Error::Io(io::Error::other(outage)).into()))
    }
}

fn is_known_outage(error: &DbErr) -> bool {
    let Some(sqlx::Error::Io(error)) = sqlx_error(error) else { return false };
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<KnownOutage>)
}

/// Classifies an error. A [`KnownOutage`] counts as [`ErrorClass::StorageFailure`], because a
/// repetition within seconds does not help.
pub(crate) fn classify(error: &DbErr) -> ErrorClass {
    if is_known_outage(error) {
        ErrorClass::StorageFailure
    } else {
        apalis_sea_orm::classify(error)
    }
}

/// Returns the error of a statement that the database did not answer in time.
pub(crate) fn timed_out() -> DbErr {
    let error = io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time");
    DbErr::Exec(RuntimeErr::SqlxError(sqlx::Error::Io(error).into()))
}

/// Returns an error's message without those of the layers around it.
pub(crate) fn message(error: &DbErr) -> String {
    match sqlx_error(error) {
        Some(sqlx::Error::PoolTimedOut) => "no answer in time".to_owned(),
        Some(sqlx::Error::Database(error)) => error.message().to_owned(),
        Some(sqlx::Error::Io(error)) => error.to_string(),
        Some(error) => error.to_string(),
        None => error.to_string(),
    }
}

/// Converts an error for the domain.
#[expect(clippy::needless_pass_by_value, reason = "passed to `map_err`")]
pub(crate) fn store_error(error: DbErr) -> StoreError {
    match classify(&error) {
        ErrorClass::Retryable
        | ErrorClass::Unavailable
        | ErrorClass::ReadOnly
        | ErrorClass::StorageFailure
        | ErrorClass::ConnectionLost => StoreError::Unavailable(error.to_string()),
        ErrorClass::UniqueViolation | ErrorClass::Permanent => StoreError::Bug(error.to_string()),
    }
}

/// The reason that a transaction of changes was rolled back.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// A row is not as a change expects it.
    Conflict,
    /// The lease of a job that a change settles belongs to another worker.
    LeaseLost,
    Database(DbErr),
}

impl From<DbErr> for WriteError {
    fn from(error: DbErr) -> Self {
        match classify(&error) {
            ErrorClass::UniqueViolation => Self::Conflict,
            _ => Self::Database(error),
        }
    }
}

impl WriteError {
    /// Returns whether a single change of a group can be the cause, so that the others may be
    /// applied without it.
    pub(crate) fn may_concern_one_change(&self) -> bool {
        match self {
            Self::Conflict | Self::LeaseLost => true,
            Self::Database(error) => classify(error) == ErrorClass::Permanent,
        }
    }

    /// Returns the verdict on a change that was in a transaction of its own.
    pub(crate) fn verdict(self) -> Result<Verdict, DbErr> {
        match self {
            Self::Conflict => Ok(Verdict::Conflict),
            Self::LeaseLost => Ok(Verdict::LeaseLost),
            Self::Database(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_transient() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = DbErr::Query(RuntimeErr::SqlxError(sqlx::Error::Io(reset).into()));
        assert_eq!(classify(&error), ErrorClass::ConnectionLost);
        assert!(store_error(error).is_transient());
    }

    #[test]
    fn a_known_outage_is_transient_but_not_retried() {
        let error = DbErr::from(KnownOutage("the database does not answer".to_owned()));
        assert_eq!(classify(&error), ErrorClass::StorageFailure);
        assert!(store_error(error).is_transient());
    }

    #[test]
    fn an_exhausted_pool_is_transient() {
        let error = DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout);
        assert_eq!(classify(&error), ErrorClass::Unavailable);
    }
}
