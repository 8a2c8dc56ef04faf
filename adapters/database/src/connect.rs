//! Opens the database: SQLite as one writer and many readers of a file, MySQL as Vitess can bear
//! it. What differs between the engines is here.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use thiserror::Error;

/// Connections to MySQL: few, for each holds one of the server's scarce transactions at most.
const MYSQL_CONNECTIONS: u32 = 16;
const SQLITE_READERS: u32 = 6;
/// How long to wait for a free connection.
const ACQUIRE: Duration = Duration::from_secs(8);
/// How long SQLite waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);
/// Proxies on the way to MySQL cut old connections.
const LIFETIME: Duration = Duration::from_mins(50);
/// A connection that was idle for so long is tried before it is used.
const IDLE: Duration = Duration::from_secs(15);

/// After so long MySQL ends the connection, and the transaction, of a process that says nothing:
/// later than [`IDLE`], so that one of ours which merely had nothing to say is tried first. (A pool
/// that ends idle connections by itself would look after them so often that none seems idle.)
const SILENT: Duration = Duration::from_secs(30);

/// An open database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    read: DatabaseConnection,
    write: DatabaseConnection,
}

/// Why a database was not opened. One line each, without the password.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Neither SQLite nor MySQL.
    #[error("the database URL must begin with sqlite:// or mysql://")]
    Unsupported,
    /// A URL that cannot be read.
    #[error("the database URL is malformed")]
    Malformed,
    /// SQLite in memory, which every connection has one of its own of.
    #[error("SQLite in memory cannot be shared by connections: name a file")]
    InMemory,
    /// A password would be sent to whoever answers.
    #[error("the database {0} is not on this machine: add ?ssl-mode=VERIFY_IDENTITY to its URL")]
    Unverified(String),
    /// It could not be reached or refused.
    #[error("cannot open the database {place}: {why}")]
    Failed {
        /// The file, or host and port.
        place: String,
        /// As the engine says it.
        why: String,
    },
}

/// Opens the database that a URL names.
pub async fn connect(url: &str) -> Result<Database, ConnectError> {
    match url.split_once(':') {
        Some(("sqlite", _)) => sqlite(url).await,
        Some(("mysql", _)) => mysql(url).await,
        _ => Err(ConnectError::Unsupported),
    }
}

impl Database {
    /// For queries. On SQLite it cannot write.
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// For everything else. On SQLite it is a single connection.
    pub fn write(&self) -> &DatabaseConnection {
        &self.write
    }

    /// Which engine.
    pub fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    /// Closes all connections, once those in use are given back.
    pub async fn close(self) {
        // Closing cannot fail in a way that anybody could act on.
        let _ = self.read.close().await;
        let _ = self.write.close().await;
    }

    /// Tells `observer` of every statement: its text, how long it took, whether it failed.
    #[must_use]
    pub fn observed<F>(mut self, observer: F) -> Self
    where
        F: Fn(&str, Duration, bool) + Clone + Send + Sync + 'static,
    {
        let other = observer.clone();
        self.read.set_metric_callback(move |i| observer(&i.statement.sql, i.elapsed, i.failed));
        self.write.set_metric_callback(move |i| other(&i.statement.sql, i.elapsed, i.failed));
        self
    }

    /// Begins to write. SQLite takes its lock at once, for a lock taken later can't be waited for.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..Default::default() };
        self.write.begin_with_options(options).await
    }
}

async fn sqlite(url: &str) -> Result<Database, ConnectError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(ConnectError::InMemory);
    }
    let parsed: SqliteConnectOptions = url.parse().map_err(|_| ConnectError::Malformed)?;
    let place = parsed.get_filename().display().to_string();

    let mut writer = options(url, 1);
    writer.acquire_timeout(ACQUIRE + BUSY).idle_timeout(None).max_lifetime(None);
    writer.map_sqlx_sqlite_opts(|o| {
        o.journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .busy_timeout(BUSY)
    });
    let mut reader = options(url, SQLITE_READERS);
    reader.acquire_timeout(ACQUIRE).max_lifetime(None);
    reader.map_sqlx_sqlite_opts(|o| {
        o.pragma("query_only", "ON").foreign_keys(false).busy_timeout(BUSY)
    });
    // The writer first: it makes the file.
    let write = open(writer, &place).await?;
    Ok(Database { read: open(reader, &place).await?, write })
}

async fn mysql(url: &str) -> Result<Database, ConnectError> {
    let parsed: MySqlConnectOptions = url.parse().map_err(|_| ConnectError::Malformed)?;
    let place = format!("{}:{}", parsed.get_host(), parsed.get_port());
    let verified = matches!(parsed.get_ssl_mode(), MySqlSslMode::VerifyIdentity);
    if !verified && parsed.get_socket().is_none() && !is_loopback(parsed.get_host()) {
        return Err(ConnectError::Unverified(place));
    }
    let mut pool = options(url, MYSQL_CONNECTIONS);
    pool.acquire_timeout(ACQUIRE).max_lifetime(LIFETIME).test_before_acquire_if_idle_for(IDLE);
    // What sqlx would set otherwise is refused by Vitess.
    pool.map_sqlx_mysql_opts(|o| {
        o.pipes_as_concat(false).no_engine_substitution(false).timezone(None::<String>)
    });
    pool.map_sqlx_mysql_pool_opts(|pool| {
        pool.after_connect(|connection, _| Box::pin(end_silent_transactions(connection)))
    });
    let write = open(pool, &place).await?;
    Ok(Database { read: write.clone(), write })
}

/// A process that is frozen or cut off in the middle of a transaction keeps its locks for as long
/// as the server waits for its next word: eight hours, unless told otherwise. Vitess ends such
/// transactions by itself, and would pin the connection for the setting.
async fn end_silent_transactions(connection: &mut MySqlConnection) -> sqlx::Result<()> {
    use sqlx::{AssertSqlSafe, Executor, Row};
    let version: String = connection.fetch_one("SELECT VERSION()").await?.try_get(0)?;
    if !version.to_ascii_lowercase().contains("vitess") {
        let set = format!("SET SESSION wait_timeout = {}", SILENT.as_secs());
        connection.execute(AssertSqlSafe(set)).await?;
    }
    Ok(())
}

fn options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false).record_stmt_in_spans(false);
    options
}

async fn open(options: ConnectOptions, place: &str) -> Result<DatabaseConnection, ConnectError> {
    sea_orm::Database::connect(options).await.map_err(|error| ConnectError::Failed {
        place: place.to_owned(),
        why: match crate::errors::sqlx_error(&error) {
            Some(sqlx::Error::PoolTimedOut) => "it does not answer".to_owned(),
            Some(sqlx::Error::Database(error)) => error.message().to_owned(),
            Some(error) => error.to_string(),
            None => error.to_string(),
        },
    })
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
