//! Classification of database errors, shared by every crate that talks to the database.
//!
//! Error numbers are those of MySQL, MariaDB, Vitess and SQLite. Vitess reports many causes under
//! few numbers, so its messages are matched as well.

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, mysql::MySqlDatabaseError, sqlite::SqliteError},
};

/// What the caller of a failed statement can do about the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// A unique key is taken.
    UniqueViolation,
    /// The statement or transaction was rolled back because of a deadlock, a lock timeout or an
    /// interruption. It may succeed if it is repeated at once.
    Retryable,
    /// The database does not accept the statement at the moment: a failover, exhausted connections
    /// or quotas, or a connection that could not be opened.
    Unavailable,
    /// The server is read-only. A new connection may reach the primary.
    ReadOnly,
    /// The database cannot store anything, and a repetition within seconds does not help: a full
    /// disk or an I/O error.
    StorageFailure,
    /// The connection was lost. The statement, or the commit, may have taken effect.
    ConnectionLost,
    /// A repetition fails in the same way: invalid SQL, a missing table, a value that does not fit.
    Permanent,
}

/// An error code, as the database engine reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// An error number of MySQL, MariaDB or Vitess.
    MySql(u16),
    /// An extended result code of SQLite.
    Sqlite(i32),
}

/// Returns the class of an error.
///
/// After [`ConnectionLost`](ErrorClass::ConnectionLost) the outcome of a commit is unknown;
/// [`is_written`](crate::is_written) determines it.
pub fn classify(error: &DbErr) -> ErrorClass {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(RuntimeErr::Internal(_)) => {
            ErrorClass::Unavailable
        }
        // No statement was sent, so a later attempt is harmless in any case.
        DbErr::Conn(RuntimeErr::SqlxError(error)) => match classify_sqlx(error) {
            ErrorClass::Permanent => ErrorClass::Unavailable,
            class => class,
        },
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            classify_sqlx(error)
        }
        _ => ErrorClass::Permanent,
    }
}

/// Returns the code that the database engine reported, if the error is an answer of the engine.
pub fn error_code(error: &DbErr) -> Option<ErrorCode> {
    match sqlx_error(error)? {
        sqlx::Error::Database(error) => code_and_message(error.as_ref()).map(|(code, _)| code),
        _ => None,
    }
}

/// Returns the sqlx error inside a SeaORM error.
pub fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn classify_sqlx(error: &sqlx::Error) -> ErrorClass {
    use sqlx::Error as E;
    match error {
        E::Database(error) => match code_and_message(error.as_ref()) {
            Some((ErrorCode::MySql(number), message)) => classify_mysql(number, message),
            Some((ErrorCode::Sqlite(code), _)) => classify_sqlite(code),
            None => ErrorClass::Permanent,
        },
        E::Io(_) | E::Tls(_) | E::Protocol(_) | E::WorkerCrashed | E::BeginFailed => {
            ErrorClass::ConnectionLost
        }
        E::PoolTimedOut | E::PoolClosed => ErrorClass::Unavailable,
        _ => ErrorClass::Permanent,
    }
}

fn code_and_message(error: &dyn sqlx::error::DatabaseError) -> Option<(ErrorCode, &str)> {
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return Some((ErrorCode::MySql(error.number()), error.message()));
    }
    error.try_downcast_ref::<SqliteError>()?;
    let code = error.code()?.parse().ok()?;
    Some((ErrorCode::Sqlite(code), error.message()))
}

fn classify_mysql(number: u16, message: &str) -> ErrorClass {
    match number {
        1022 | 1062 | 1169 | 1586 => ErrorClass::UniqueViolation,
        // Deadlock; lock wait timeout; row changed since it was read (MariaDB); query interrupted;
        // table changed since the transaction began or the statement was prepared, as during a
        // migration; statement time limits of MariaDB and MySQL.
        1213 | 1205 | 1020 | 1317 | 1412 | 1615 | 1969 | 3024 => ErrorClass::Retryable,
        // Too many connections; out of memory or throttled; connection pool or user quota
        // exhausted; too many prepared statements; password or database unknown, as during a
        // restore.
        1040 | 1041 | 1203 | 1226 | 1461 | 1045 | 1049 => ErrorClass::Unavailable,
        1290 | 1792 | 1836 => ErrorClass::ReadOnly,
        // Disk full; error while writing a file; table full; error during COMMIT; disk full in the
        // storage engine.
        1021 | 1026 | 1114 | 1180 | 3675 => ErrorClass::StorageFailure,
        // Shutdown; network errors; connection killed; server gone; connection lost; idle or
        // administrative disconnects.
        1053 | 1158..=1161 | 1927 | 2006 | 2013 | 3168 | 3169 => ErrorClass::ConnectionLost,
        1105 => classify_vitess(message),
        _ => ErrorClass::Permanent,
    }
}

/// Classifies error 1105, "unknown error", which Vitess reports for most failures.
fn classify_vitess(message: &str) -> ErrorClass {
    let contains = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if contains(&["Duplicate entry"]) {
        ErrorClass::UniqueViolation
    } else if contains(&["VT15001", "VT09032", "Aborted", "tx killer", "Deadline", "Canceled"]) {
        ErrorClass::Retryable
    } else if contains(&["read-only", "read only", "not serving", "reparent"]) {
        ErrorClass::ReadOnly
    } else if contains(&[
        "VT14",
        "being resharded",
        "no healthy tablet",
        "Unavailable",
        "ResourceExhausted",
        "transaction pool",
    ]) {
        ErrorClass::Unavailable
    } else if contains(&["2013", "Lost connection", "EOF", "connection reset"]) {
        ErrorClass::ConnectionLost
    } else {
        ErrorClass::Permanent
    }
}

fn classify_sqlite(code: i32) -> ErrorClass {
    match code {
        // SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE.
        1555 | 2067 => ErrorClass::UniqueViolation,
        // The low byte is the primary result code.
        code => match code & 0xff {
            // Busy, locked, interrupted.
            5 | 6 | 9 => ErrorClass::Retryable,
            // Out of memory, read-only, I/O error, disk full, cannot open the file.
            7 | 8 | 10 | 13 | 14 => ErrorClass::StorageFailure,
            _ => ErrorClass::Permanent,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorClass::*, *};

    #[test]
    fn mysql_and_vitess_errors_are_classified_by_number_and_message() {
        for (number, message, class) in [
            (1062, "Duplicate entry 'x' for key 'user_emails.PRIMARY'", UniqueViolation),
            (1105, "Duplicate entry 'x' for key 'PRIMARY'", UniqueViolation),
            (1213, "Deadlock found when trying to get lock; try restarting", Retryable),
            (1205, "Lock wait timeout exceeded; try restarting transaction", Retryable),
            (1020, "Record has changed since last read in table 'users'", Retryable),
            (1412, "Table definition has changed, please retry transaction", Retryable),
            (1615, "Prepared statement needs to be re-prepared", Retryable),
            (1969, "Query execution was interrupted (max_statement_time exceeded)", Retryable),
            (3024, "Query execution was interrupted, maximum statement time", Retryable),
            (1317, "code = Aborted desc = transaction 12: ended at 2026-01-01", Retryable),
            (1317, "code = DeadlineExceeded desc = context deadline exceeded", Retryable),
            (1105, "target: app.0.primary: vttablet: rpc error: code = Aborted", Retryable),
            (1105, "for tx killer rollback", Retryable),
            (1105, "VT15001: connection lost; VT09032: transaction is gone", Retryable),
            (1105, "VT15001: transaction error: connection lost", Retryable),
            (1105, "target: app.0.primary: primary is not serving, there may be", ReadOnly),
            (1105, "there may be a reparent operation", ReadOnly),
            (1290, "running with the --super-read-only option", ReadOnly),
            (1792, "Cannot execute statement in a READ ONLY transaction.", ReadOnly),
            (1836, "Running in read-only mode", ReadOnly),
            (1040, "Too many connections", Unavailable),
            (1041, "Transaction throttled", Unavailable),
            (1045, "Access denied for user 'app'@'%'", Unavailable),
            (1049, "Unknown database 'app'", Unavailable),
            (1203, "transaction pool connection limit exceeded", Unavailable),
            (1226, "User 'app' has exceeded the 'max_questions' resource", Unavailable),
            (1461, "Can't create more than max_prepared_stmt_count statements", Unavailable),
            (1105, "current keyspace is being resharded", Unavailable),
            (1105, "no healthy tablet available for 'keyspace'", Unavailable),
            (1105, "VT14003: no connection for tablet", Unavailable),
            (1105, "code = Unavailable desc = operation not allowed", Unavailable),
            (1105, "code = ResourceExhausted desc = pool", Unavailable),
            (1021, "Disk full (/tmp/x); waiting for someone to free some space", StorageFailure),
            (1026, "Error writing file 'binlog'", StorageFailure),
            (1114, "The table 'jobs' is full", StorageFailure),
            (1180, "Got error 28 during COMMIT", StorageFailure),
            (3675, "Create table/tablespace failed, as disk is full", StorageFailure),
            (1053, "Server shutdown in progress", ConnectionLost),
            (1158, "Got an error reading communication packets", ConnectionLost),
            (1161, "Got timeout writing communication packets", ConnectionLost),
            (1927, "Connection was killed", ConnectionLost),
            (2006, "MySQL server has gone away", ConnectionLost),
            (2013, "Lost connection to MySQL server during query", ConnectionLost),
            (3168, "Server isn't available", ConnectionLost),
            (3169, "Session was killed", ConnectionLost),
            (1105, "Lost connection to MySQL server (errno 2013)", ConnectionLost),
            (1064, "You have an error in your SQL syntax", Permanent),
            (1146, "Table 'guestlist.users' doesn't exist", Permanent),
            (1153, "grpc: received message larger than max", Permanent),
            (1235, "VT12001: unsupported: cross-shard query", Permanent),
            (1406, "Data too long for column 'name' at row 1", Permanent),
            (1105, "VT10001: foreign key constraints are not allowed", Permanent),
        ] {
            assert_eq!(classify_mysql(number, message), class, "{number} {message}");
        }
    }

    #[test]
    fn sqlite_errors_are_classified_by_extended_result_code() {
        for (code, class) in [
            (1555, UniqueViolation),
            (2067, UniqueViolation),
            (1299, Permanent),      // SQLITE_CONSTRAINT_NOTNULL
            (5, Retryable),         // SQLITE_BUSY
            (517, Retryable),       // SQLITE_BUSY_SNAPSHOT
            (261, Retryable),       // SQLITE_BUSY_RECOVERY
            (262, Retryable),       // SQLITE_LOCKED_SHAREDCACHE
            (9, Retryable),         // SQLITE_INTERRUPT
            (7, StorageFailure),    // SQLITE_NOMEM
            (10, StorageFailure),   // SQLITE_IOERR
            (13, StorageFailure),   // SQLITE_FULL
            (14, StorageFailure),   // SQLITE_CANTOPEN
            (1032, StorageFailure), // SQLITE_READONLY_DBMOVED
            (1, Permanent),         // SQLITE_ERROR
            (11, Permanent),        // SQLITE_CORRUPT
        ] {
            assert_eq!(classify_sqlite(code), class, "{code}");
        }
    }

    fn io_error() -> RuntimeErr {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        RuntimeErr::SqlxError(sqlx::Error::Io(reset).into())
    }

    #[test]
    fn errors_without_a_code_are_classified_by_kind() {
        let internal = |text: &str| RuntimeErr::Internal(text.to_owned());
        let configuration = sqlx::Error::Configuration("unknown parameter".into());
        for (error, class) in [
            (DbErr::Query(io_error()), ConnectionLost),
            (DbErr::Conn(io_error()), ConnectionLost),
            (DbErr::Conn(internal("disconnected")), Unavailable),
            (DbErr::Conn(RuntimeErr::SqlxError(configuration.into())), Unavailable),
            (DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout), Unavailable),
            (DbErr::Exec(RuntimeErr::SqlxError(sqlx::Error::PoolClosed.into())), Unavailable),
            (DbErr::Exec(internal("mock")), Permanent),
            (DbErr::RecordNotInserted, Permanent),
        ] {
            assert_eq!(classify(&error), class, "{error:?}");
            assert_eq!(error_code(&error), None);
        }
    }
}
