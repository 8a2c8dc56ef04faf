//! What an error of the database means to us, decided in this one place.
//!
//! The numbers are those of MySQL, MariaDB and Vitess, which folds many causes into few numbers
//! and tells them apart by text.

use guestlist_domain::StoreError;
use sea_orm::{DbErr, RuntimeErr};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::sqlite::SqliteError;

use crate::health::KnownOutage;

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A unique key is taken.
    Conflict,
    /// Others were in the way, or the transaction was ended from outside: it did not happen, and
    /// may succeed right away.
    Again,
    /// The database does not take it just now: failover, full pools.
    Away,
    /// The server only reads: another one is the primary by now, or is about to be, and a new
    /// connection may reach it.
    ReadOnly,
    /// The database can't take it, and trying again within seconds does not help: a full disk, an
    /// I/O error, a server that is known not to answer.
    Down,
    /// The connection is gone. What was being done may have been done.
    Lost,
    /// A mistake in this program.
    Bug,
}

/// Classifies an error.
pub(crate) fn class(error: &DbErr) -> Class {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(RuntimeErr::Internal(_)) => Class::Away,
        DbErr::Conn(e) | DbErr::Exec(e) | DbErr::Query(e) => match e {
            RuntimeErr::SqlxError(e) => of_sqlx(e),
            RuntimeErr::Internal(_) => Class::Bug,
        },
        DbErr::TryIntoErr { .. }
        | DbErr::ConvertFromU64(_)
        | DbErr::UnpackInsertId
        | DbErr::UpdateGetPrimaryKey
        | DbErr::RecordNotFound(_)
        | DbErr::AttrNotSet(_)
        | DbErr::Custom(_)
        | DbErr::Type(_)
        | DbErr::Json(_)
        | DbErr::Migration(_)
        | DbErr::RecordNotInserted
        | DbErr::RecordNotUpdated
        | DbErr::BackendNotSupported { .. }
        | DbErr::KeyArityMismatch { .. }
        | DbErr::PrimaryKeyNotSet { .. }
        | DbErr::RbacError(_)
        | DbErr::AccessDenied { .. }
        | DbErr::MutexPoisonError
        // SeaORM may add others; what we do not know we do not repeat.
        | _ => Class::Bug,
    }
}

fn of_sqlx(error: &sqlx::Error) -> Class {
    use sqlx::Error as E;
    match error {
        E::Database(e) => {
            if let Some(e) = e.try_downcast_ref::<MySqlDatabaseError>() {
                of_mysql(e.number(), e.message())
            } else if e.try_downcast_ref::<SqliteError>().is_some() {
                of_sqlite(e.code().and_then(|code| code.parse().ok()).unwrap_or_default())
            } else {
                Class::Bug
            }
        }
        E::Io(e) if KnownOutage::is_in(e) => Class::Down,
        E::Io(_) | E::Tls(_) | E::Protocol(_) | E::WorkerCrashed | E::BeginFailed => Class::Lost,
        E::PoolTimedOut | E::PoolClosed => Class::Away,
        E::Configuration(_)
        | E::InvalidArgument(_)
        | E::RowNotFound
        | E::TypeNotFound { .. }
        | E::ColumnIndexOutOfBounds { .. }
        | E::ColumnNotFound(_)
        | E::ColumnDecode { .. }
        | E::Encode(_)
        | E::Decode(_)
        | E::AnyDriverError(_)
        | E::InvalidSavePointStatement
        | _ => Class::Bug,
    }
}

fn of_mysql(number: u16, text: &str) -> Class {
    match number {
        1022 | 1062 | 1169 | 1586 => Class::Conflict,
        // Deadlock, lock wait, a row changed since it was read (MariaDB), time limits.
        1213 | 1205 | 1020 | 1317 | 1969 | 3024 => Class::Again,
        // Too many connections, out of memory or throttled, full pools and quotas, too many
        // prepared statements; no password or database of that name just now.
        1040 | 1041 | 1203 | 1226 | 1461 | 1045 | 1049 => Class::Away,
        1290 | 1792 | 1836 => Class::ReadOnly,
        // Disk full, error while writing a file, table full, error during a commit, disk full in the
        // storage engine.
        1021 | 1026 | 1114 | 1180 | 3675 => Class::Down,
        1053 | 1158..=1161 | 1927 | 2006 | 2013 | 3168 | 3169 => Class::Lost,
        1105 => of_vitess(text),
        _ => Class::Bug,
    }
}

/// Error 1105, "unknown", is what Vitess says to most things.
fn of_vitess(text: &str) -> Class {
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if says(&["Duplicate entry"]) {
        Class::Conflict
    } else if says(&["VT15001", "VT09032", "Aborted", "tx killer", "Deadline", "Canceled"]) {
        Class::Again
    } else if says(&["read-only", "read only", "not serving", "reparent"]) {
        Class::ReadOnly
    } else if says(&[
        "VT14",
        "being resharded",
        "no healthy tablet",
        "Unavailable",
        "ResourceExhausted",
        "transaction pool",
    ]) {
        Class::Away
    } else if says(&["2013", "Lost connection", "EOF", "connection reset"]) {
        Class::Lost
    } else {
        Class::Bug
    }
}

fn of_sqlite(code: i32) -> Class {
    match code {
        // Primary key, unique key.
        1555 | 2067 => Class::Conflict,
        code => match code & 0xff {
            // Busy, locked, interrupted.
            5 | 6 | 9 => Class::Again,
            // Memory, read-only, disk errors, disk full, file gone.
            7 | 8 | 10 | 13 | 14 => Class::Down,
            _ => Class::Bug,
        },
    }
}

/// The error of sqlx in an error of SeaORM.
pub(crate) fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(e))
        | DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e)) => Some(e),
        _ => None,
    }
}

/// Whether a server reports with this error that it has rolled the transaction back: a deadlock, also
/// one that Galera finds at COMMIT.
pub(crate) fn is_rolled_back(error: &DbErr) -> bool {
    let Some(sqlx::Error::Database(error)) = sqlx_error(error) else { return false };
    let error = error.try_downcast_ref::<MySqlDatabaseError>();
    error.is_some_and(|error| error.number() == 1213)
}

/// What an error says, without the layers it came through.
pub(crate) fn message(error: &DbErr) -> String {
    match sqlx_error(error) {
        Some(sqlx::Error::PoolTimedOut) => "it does not answer".to_owned(),
        Some(sqlx::Error::Database(error)) => error.message().to_owned(),
        Some(sqlx::Error::Io(error)) => error.to_string(),
        Some(error) => error.to_string(),
        None => error.to_string(),
    }
}

/// As the domain is told.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub(crate) fn store_error(error: DbErr) -> StoreError {
    match class(&error) {
        Class::Again | Class::Away | Class::ReadOnly | Class::Down | Class::Lost => {
            StoreError::Unavailable(error.to_string())
        }
        Class::Conflict | Class::Bug => StoreError::Bug(error.to_string()),
    }
}

/// The same error, for another who waited for the same.
pub(crate) fn same(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) => StoreError::Unavailable(why.clone()),
        StoreError::Corrupt { table, column, id } => {
            StoreError::Corrupt { table, column, id: id.clone() }
        }
        StoreError::Bug(why) => StoreError::Bug(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mysql_and_vitess_say_is_understood() {
        for (number, text, class) in [
            (1062, "Duplicate entry 'x' for key 'user_emails.PRIMARY'", Class::Conflict),
            (1213, "Deadlock found when trying to get lock", Class::Again),
            (1205, "Lock wait timeout exceeded; try restarting transaction", Class::Again),
            (1020, "Record has changed since last read in table 'users'", Class::Again),
            (1317, "code = Aborted desc = transaction 1: ended at 2026", Class::Again),
            (1317, "code = DeadlineExceeded desc = context deadline exceeded", Class::Again),
            (1105, "target: app.0.primary: vttablet: rpc error: code = Aborted", Class::Again),
            (1105, "for tx killer rollback", Class::Again),
            (1105, "VT15001: connection lost; VT09032: transaction is gone", Class::Again),
            (1105, "primary is not serving, there may be a reparent operation", Class::ReadOnly),
            (1105, "current keyspace is being resharded", Class::Away),
            (1105, "no healthy tablet available for 'keyspace'", Class::Away),
            (1105, "VT14003: no connection for tablet", Class::Away),
            (1105, "code = Unavailable desc = operation not allowed", Class::Away),
            (1290, "running with the --super-read-only option", Class::ReadOnly),
            (1792, "Cannot execute statement in a READ ONLY transaction.", Class::ReadOnly),
            (1836, "Running in read-only mode", Class::ReadOnly),
            (1461, "Can't create more than max_prepared_stmt_count statements", Class::Away),
            (1021, "Disk full (/tmp/x); waiting for someone to free some space", Class::Down),
            (1114, "The table 'users' is full", Class::Down),
            (2006, "MySQL server has gone away", Class::Lost),
            (1203, "transaction pool connection limit exceeded", Class::Away),
            (1041, "Transaction throttled", Class::Away),
            (1040, "Too many connections", Class::Away),
            (1461, "Can't create more than max_prepared_stmt_count statements", Class::Away),
            (1053, "Server shutdown in progress", Class::Lost),
            (2013, "Lost connection to MySQL server during query", Class::Lost),
            (1927, "Connection was killed", Class::Lost),
            (1153, "grpc: received message larger than max", Class::Bug),
            (1235, "VT12001: unsupported: cross-shard query", Class::Bug),
            (1105, "VT10001: foreign key constraints are not allowed", Class::Bug),
            (1064, "You have an error in your SQL syntax", Class::Bug),
            (1146, "Table 'guestlist.users' doesn't exist", Class::Bug),
            (1406, "Data too long for column 'name' at row 1", Class::Bug),
        ] {
            assert_eq!(of_mysql(number, text), class, "{number} {text}");
        }
    }

    #[test]
    fn what_sqlite_says_is_understood() {
        for (code, class) in [
            (1555, Class::Conflict),
            (2067, Class::Conflict),
            (1299, Class::Bug), // NOT NULL
            (5, Class::Again),
            (517, Class::Again), // busy: snapshot
            (261, Class::Again), // busy: recovery
            (262, Class::Again), // locked: shared cache
            (13, Class::Down),   // full
            (10, Class::Down),   // I/O
            (1032, Class::Down), // read-only: moved
            (14, Class::Down),   // cannot open
            (1, Class::Bug),     // SQL
            (11, Class::Bug),    // corrupt
        ] {
            assert_eq!(of_sqlite(code), class, "{code}");
        }
    }

    #[test]
    fn a_lost_connection_is_not_a_mistake() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let error = DbErr::Query(RuntimeErr::SqlxError(sqlx::Error::Io(reset).into()));
        assert_eq!(class(&error), Class::Lost);
        assert!(store_error(error).is_transient());
    }

    #[test]
    fn a_full_pool_is_not_a_mistake() {
        let error = DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout);
        assert_eq!(class(&error), Class::Away);
    }
}
