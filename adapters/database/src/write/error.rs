//! The reasons that a group of changes is not applied.

use guestlist_domain::Verdict;
use sea_orm::DbErr;

use crate::error::{ErrorClass, classify};

/// The reason that a transaction of changes was rolled back.
#[derive(Debug)]
pub(super) enum WriteError {
    /// A row is not as a change expects it.
    Conflict,
    /// The lease of a job that a change settles belongs to another worker.
    LeaseLost,
    /// The database failed.
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
    pub(super) fn may_concern_one_change(&self) -> bool {
        match self {
            Self::Conflict | Self::LeaseLost => true,
            Self::Database(error) => classify(error) == ErrorClass::Permanent,
        }
    }

    /// Returns the verdict on a change that was in a transaction of its own.
    pub(super) fn verdict(self) -> Result<Verdict, DbErr> {
        match self {
            Self::Conflict => Ok(Verdict::Conflict),
            Self::LeaseLost => Ok(Verdict::LeaseLost),
            Self::Database(error) => Err(error),
        }
    }
}
