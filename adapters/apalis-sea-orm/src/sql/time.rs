//! Times as columns store them, in microseconds since 1970, UTC. Leases are judged by the database's
//! clock only, so workers' clocks need not agree.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::{
    DbBackend,
    sea_query::{Expr, ExprTrait},
};

pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// Converts microseconds to a timestamp; values out of range become the nearest valid timestamp.
pub(crate) fn timestamp(micros: i64) -> Timestamp {
    let end = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(end)
}

/// A duration in microseconds, capped so that adding it to a time cannot overflow.
pub(crate) fn duration_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

/// The database's current time. On MySQL it is independent of the session's time zone and of
/// daylight saving time.
pub(crate) fn database_now(engine: DbBackend) -> Expr {
    Expr::cust(match engine {
        DbBackend::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        _ => "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
    })
}

/// The end of a lease that starts now, by the database's clock.
pub(crate) fn lease_end(engine: DbBackend, lease: Duration) -> Expr {
    database_now(engine).add(duration_micros(lease))
}
