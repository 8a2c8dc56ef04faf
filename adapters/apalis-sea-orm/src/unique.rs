//! Unique keys: for as long as the row exists, for a window of time, or until the job has ended.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::{
    UpdateMany,
    sea_query::{CaseStatement, Expr, ExprTrait},
};

use crate::entity::job;

/// Begins the keys that are given up when their job has ended.
const WHILE_UNFINISHED: char = '~';

/// How a [`NewJob`](crate::NewJob) is unique; its [`key`](Unique::key) is what
/// [`unique_key`](crate::NewJob::unique_key) wants.
///
/// ```
/// # use std::time::Duration;
/// # use apalis_sea_orm::Unique;
/// # let now: jiff::Timestamp = "2026-06-01T12:00:30Z".parse().unwrap();
/// let key = Unique::Within { key: "digest:ada".to_owned(), every: Duration::from_mins(1) };
/// assert_eq!(key.key(now), "digest:ada@60000:29671920");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unique {
    /// For as long as the job's row exists. The key must not begin with `~`.
    ForEver {
        /// The key.
        key: String,
    },
    /// Once in each window of that length, counted from 1970.
    Within {
        /// The key, to which the window's length and number are added.
        key: String,
        /// A window's length, of at least a millisecond.
        every: Duration,
    },
    /// Until the job is done, dead or cancelled. A job that is [retried](crate::retry) after that
    /// wants its key back, and stays as it is if another has it.
    WhileUnfinished {
        /// The key, which is kept with `~` before it: apart from all others.
        key: String,
    },
}

impl Unique {
    /// What makes it so, in the window of that time.
    pub fn key(&self, now: Timestamp) -> String {
        match self {
            Unique::ForEver { key } => key.clone(),
            Unique::Within { key, every } => {
                let (length, number) = window(*every, now);
                format!("{key}@{length}:{number}")
            }
            Unique::WhileUnfinished { key } => format!("{WHILE_UNFINISHED}{key}"),
        }
    }
}

/// A window's length in milliseconds, and the number of the one that holds that time.
pub(crate) fn window(every: Duration, now: Timestamp) -> (i64, i64) {
    let length = Ord::max(i64::try_from(every.as_millis()).unwrap_or(i64::MAX), 1);
    (length, now.as_millisecond().div_euclid(length))
}

/// Frees the keys, that are to be freed at the end, of jobs of which that is so. The first of an
/// UPDATE's assignments, if these change what it is about: MySQL assigns one after another.
pub(crate) fn freed(update: UpdateMany<job::Entity>, ended: &Expr) -> UpdateMany<job::Entity> {
    use job::Column as C;
    let ours = || Expr::col(C::UniqueKey).like(format!("{WHILE_UNFINISHED}%"));
    let free = || ended.clone().and(ours());
    let freed = CaseStatement::new().case(free(), Expr::col(C::UniqueKey));
    let unique = CaseStatement::new().case(free(), Expr::value(None::<String>));
    update
        .col_expr(C::FreedKey, freed.finally(Expr::col(C::FreedKey)).into())
        .col_expr(C::UniqueKey, unique.finally(Expr::col(C::UniqueKey)).into())
}
