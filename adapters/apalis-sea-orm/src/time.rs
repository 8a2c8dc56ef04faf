//! The one place that knows how times are kept (microseconds since 1970, UTC) and how a database
//! tells its own: leases are judged by that clock alone, so that workers need not agree on one.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::{
    DbBackend,
    sea_query::{Expr, ExprTrait},
};

pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A time beyond what a calendar holds, put there by hand, is the calendar's end.
pub(crate) fn timestamp(micros: i64) -> Timestamp {
    let end = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(end)
}

/// Now, by the database. On MySQL it depends on no session's time zone, and no night that a
/// summer time ends on repeats an hour of it.
pub(crate) fn database_now(engine: DbBackend) -> Expr {
    Expr::cust(match engine {
        DbBackend::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        _ => "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
    })
}

/// The end of a lease that starts now, by the database.
pub(crate) fn lease_end(engine: DbBackend, lease: Duration) -> Expr {
    let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX / 4);
    database_now(engine).add(lease)
}
