//! Which errors of a database pass: PlanetScale (Vitess) folds many causes into few numbers, so
//! its messages are read as well.

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{Error, error::DatabaseError, mysql::MySqlDatabaseError, sqlite::SqliteError},
};

/// Whether the same statements may succeed when tried again: a lost or refused connection, a
/// deadlock, a lock or a pool waited for too long, a failover. After a lost connection the outcome
/// of a commit is unknown; [`settlement_statuses`](crate::settlement_statuses) tells.
pub fn is_transient(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            sqlx_is_transient(error)
        }
        _ => false,
    }
}

fn sqlx_is_transient(error: &Error) -> bool {
    match error {
        Error::Database(error) => database_is_transient(error.as_ref()),
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::BeginFailed => true,
        _ => false,
    }
}

fn database_is_transient(error: &dyn DatabaseError) -> bool {
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return mysql_is_transient(error.number(), error.message());
    }
    if error.try_downcast_ref::<SqliteError>().is_some() {
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        // The low byte is the plain code: busy, locked, memory, read-only, interrupted, disk error;
        // disk full, file not to be opened.
        return code.is_some_and(|code| matches!(code & 0xff, 5..=10 | 13 | 14));
    }
    false
}

fn mysql_is_transient(number: u16, message: &str) -> bool {
    const PASSING: [&str; 11] = [
        "VT09032",
        "VT1400",
        "VT15001",
        "primary is not serving",
        "being resharded",
        "no healthy tablet",
        "Unavailable",
        "Aborted",
        "Canceled",
        "DeadlineExceeded",
        "ResourceExhausted",
    ];
    match number {
        // Too many connections; shutting down; throttled; pool full; lock wait; deadlock;
        // interrupted; gone away; lost; killed, for idleness too. Then: disk or table full; a commit
        // that could not be written; read only while another server takes over; a row that changed
        // meanwhile; network errors; quotas; time limits.
        1040
        | 1053
        | 1041
        | 1203
        | 1205
        | 1213
        | 1317
        | 2006
        | 2013
        | 1927
        | 3168
        | 3169
        | 1021
        | 1026
        | 1114
        | 1180
        | 3675
        | 1290
        | 1792
        | 1836
        | 1020
        | 1158..=1161
        | 1226
        | 1461
        | 1969
        | 3024 => true,
        1105 => PASSING.iter().any(|passing| message.contains(passing)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::mysql_is_transient as transient;

    #[test]
    fn what_vitess_says_in_passing_is_transient() {
        assert!(transient(1213, "Deadlock found when trying to get lock; try restarting"));
        assert!(transient(1205, "Lock wait timeout exceeded"));
        assert!(transient(1317, "code = Aborted desc = transaction 12: ended at 2026-01-01"));
        assert!(transient(1105, "VT15001: transaction error: connection lost"));
        assert!(transient(1105, "target: app.0.primary: primary is not serving, there may be"));
        assert!(transient(1290, "running with the --super-read-only option"));
        assert!(transient(1203, "transaction pool connection limit exceeded"));
        assert!(transient(1114, "The table 'jobs' is full"));
        assert!(transient(1180, "Got error 28 during COMMIT"));
    }

    #[test]
    fn what_is_wrong_for_good_is_not() {
        assert!(!transient(1062, "Duplicate entry"));
        assert!(!transient(1064, "You have an error in your SQL syntax"));
        assert!(!transient(1105, "VT10001: foreign key constraints are not allowed"));
        assert!(!transient(1235, "VT12001: unsupported"));
    }
}
