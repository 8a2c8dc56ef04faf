//! One transaction: all that a group of changes wants, table by table and row by row in one order,
//! so that two groups rarely stand in each other's way.

use guestlist_domain::{Change, Verdict};
use sea_orm::{DatabaseTransaction, DbErr};

use crate::errors::{Class, class};
use crate::{
    events, guards, invitations, jobs, keys, logins, reconcile, removed_addresses, sessions,
    tombstones, users,
};

/// Why a group is not written as it is.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Something that one of its changes expected is not so.
    Conflict,
    /// One of its jobs belongs to another worker by now.
    LeaseLost,
    /// The database failed.
    Failed(DbErr),
}

impl From<DbErr> for Refusal {
    fn from(error: DbErr) -> Self {
        match class(&error) {
            Class::Conflict => Self::Conflict,
            Class::Again
            | Class::Away
            | Class::ReadOnly
            | Class::Down
            | Class::Lost
            | Class::Bug => Self::Failed(error),
        }
    }
}

impl Refusal {
    /// Whether one change of a group can be the cause, and the others be applied without it.
    pub(crate) fn may_be_of_one(&self) -> bool {
        match self {
            Self::Conflict | Self::LeaseLost => true,
            Self::Failed(error) => class(error) == Class::Bug,
        }
    }

    /// What a change that was alone is told.
    pub(crate) fn verdict(self) -> Result<Verdict, DbErr> {
        match self {
            Self::Conflict => Ok(Verdict::Conflict),
            Self::LeaseLost => Ok(Verdict::LeaseLost),
            Self::Failed(error) => Err(error),
        }
    }
}

/// Writes all of a group. What was written before a refusal must be rolled back.
///
/// The leases come first: a late worker learns that it is late, whatever else is wrong.
pub(crate) async fn write(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    jobs::settle(tx, changes).await?;
    jobs::operate(tx, changes).await?;
    guards::raise(tx, changes).await?;
    users::write(tx, changes).await?;
    invitations::write(tx, changes).await?;
    sessions::write(tx, changes).await?;
    logins::write(tx, changes).await?;
    keys::write(tx, changes).await?;
    tombstones::write(tx, changes).await?;
    removed_addresses::write(tx, changes).await?;
    reconcile::write(tx, changes).await?;
    events::write(tx, changes).await?;
    jobs::enqueue(tx, changes).await
}
