//! Opens the database: SQLite with one writing connection and several readers, MySQL with the
//! session settings that Vitess supports.

mod connection;
mod database;
mod health;
mod write_lock;

use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis_sea_orm::pool::is_reusable;
use sea_orm::{ConnectOptions, DatabaseConnection};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use thiserror::Error;

use crate::error::message;
use connection::{DatabaseFile, create_file};
use health::Health;
use write_lock::WriteLock;

pub use connection::{Connection, FileGone, sqlite_file};
pub use database::Database;
pub use health::WriteFailure;

/// Connections to MySQL. Each may hold one of the few transactions that a server allows.
const MYSQL_CONNECTIONS: u32 = 16;
const SQLITE_READERS: u32 = 6;
/// The rows that a thread that reads SQLite passes on before it waits for the receiver: as many as
/// a page of a list.
const BUFFERED_ROWS: usize = 256;
/// How long a statement waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(8);
/// How long SQLite waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before a locked file is opened again.
const LOCKED_RETRY: Duration = Duration::from_millis(50);
/// The size in bytes to which SQLite's log is cut once it is written to the database: readers that
/// are slow make it grow.
const LOG_SIZE: &str = "67108864";
/// The prepared statements that a connection keeps: those of each table in each fixed number of rows.
const PREPARED_STATEMENTS: usize = 150;
/// The age at which a connection is replaced, before proxies in front of MySQL close it.
const MAX_LIFETIME: Duration = Duration::from_mins(50);
/// A connection that was idle for longer is pinged before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_secs(15);

/// How long MySQL waits for the next statement before it closes a connection and rolls back its
/// transaction. Longer than [`PING_AFTER_IDLE`], so that an idle connection of a live process is
/// pinged first. (A pool with an idle timeout would check its connections so often that none
/// counts as idle.)
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The reason a database was not opened: one line, without the password.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("the database URL must begin with sqlite:// or mysql://")]
    Unsupported,
    #[error("the database URL is malformed")]
    Malformed,
    /// An in-memory SQLite database, of which every connection would have its own.
    #[error("SQLite in memory cannot be shared by connections: name a file")]
    InMemory,
    /// The file does not exist and [`connect`] does not create it.
    #[error("there is no database file at {0}: run `guestlist migrate up`, or set DATABASE_URL")]
    NoFile(String),
    /// The server's identity would not be verified before the password is sent.
    #[error("the database {0} is not on this machine: add ?ssl-mode=VERIFY_IDENTITY to its URL")]
    Unverified(String),
    #[error("cannot open the database {place}: {why}")]
    Failed {
        /// The file, or host and port.
        place: String,
        why: String,
    },
}

/// Opens the database at a URL. A missing SQLite file is an error, even if the URL contains
/// `mode=rwc`.
pub async fn connect(url: &str) -> Result<Database, ConnectError> {
    open(url, false).await
}

/// Opens the database at a URL and creates a missing SQLite file.
pub async fn connect_or_create(url: &str) -> Result<Database, ConnectError> {
    open(url, true).await
}

async fn open(url: &str, create: bool) -> Result<Database, ConnectError> {
    match url.split_once(':') {
        Some(("sqlite", _)) => open_sqlite(url, create).await,
        Some(("mysql", _)) => open_mysql(url).await,
        _ => Err(ConnectError::Unsupported),
    }
}

async fn open_sqlite(url: &str, create: bool) -> Result<Database, ConnectError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(ConnectError::InMemory);
    }
    let parsed: SqliteConnectOptions = url.parse().map_err(|_| ConnectError::Malformed)?;
    let path = parsed.get_filename();
    let place = path.display().to_string();
    let failed = |error: std::io::Error| {
        let why = error.to_string();
        ConnectError::Failed { place: place.clone(), why }
    };
    if create {
        create_file(path).map_err(failed)?;
    } else if !path.exists() {
        return Err(ConnectError::NoFile(place));
    }
    let health = Arc::new(Health::new(false));
    let lock = WriteLock::new(path);
    // The writer is opened first, because it enables the write-ahead log.
    let write = open_sqlite_writer(&sqlite_writer(url, &health, &lock), &place).await?;
    let file = DatabaseFile::opened(path).map_err(failed)?;
    let read = open_pool(sqlite_readers(url), &place).await?;
    Ok(Database::new(read, write, health, Some(file)))
}

/// Opens the connection that writes. While another process enables the write-ahead log, SQLite reports
/// at once that the file is locked, without waiting for the busy timeout.
async fn open_sqlite_writer(
    options: &ConnectOptions,
    place: &str,
) -> Result<DatabaseConnection, ConnectError> {
    let start = Instant::now();
    loop {
        match open_pool(options.clone(), place).await {
            Err(ConnectError::Failed { why, .. })
                if why.contains("database is locked") && start.elapsed() < BUSY_TIMEOUT =>
            {
                tokio::time::sleep(LOCKED_RETRY).await;
            }
            opened => return opened,
        }
    }
}

fn sqlite_writer(url: &str, health: &Arc<Health>, lock: &WriteLock) -> ConnectOptions {
    let mut options = sqlite_options(url, 1);
    let (before, after) = (Arc::clone(health), Arc::clone(health));
    let (acquired, released) = (lock.clone(), lock.clone());
    options.map_sqlx_sqlite_before_acquire(move |_, connection| {
        let (may_use, lock) = (before.may_use(connection.age), acquired.clone());
        Box::pin(async move {
            if may_use {
                lock.acquire().await;
            }
            Ok(may_use)
        })
    });
    options.map_sqlx_sqlite_pool_opts(move |pool| {
        let (health, lock) = (Arc::clone(&after), released.clone());
        pool.after_release(move |connection, opened| {
            let (may_use, lock) = (health.may_use(opened.age), lock.clone());
            Box::pin(async move {
                let is_reusable = is_reusable(connection).await;
                lock.release();
                Ok(is_reusable? && may_use)
            })
        })
    });
    options.acquire_timeout(ACQUIRE_TIMEOUT + BUSY_TIMEOUT).idle_timeout(None).max_lifetime(None);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("journal_size_limit", LOG_SIZE)
            .statement_cache_capacity(PREPARED_STATEMENTS)
            .create_if_missing(false)
            .foreign_keys(false)
            .busy_timeout(BUSY_TIMEOUT)
    });
    options
}

/// Returns pool options without a test before each use, because a connection to a file cannot be lost.
fn sqlite_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = pool_options(url, connections);
    options.test_before_acquire(false);
    options
}

fn sqlite_readers(url: &str) -> ConnectOptions {
    let mut options = sqlite_options(url, SQLITE_READERS);
    options.acquire_timeout(ACQUIRE_TIMEOUT).max_lifetime(None);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .pragma("query_only", "ON")
            .row_buffer_size(BUFFERED_ROWS)
            .statement_cache_capacity(PREPARED_STATEMENTS)
            .create_if_missing(false)
            .foreign_keys(false)
            .busy_timeout(BUSY_TIMEOUT)
    });
    options
}

async fn open_mysql(url: &str) -> Result<Database, ConnectError> {
    let parsed: MySqlConnectOptions = url.parse().map_err(|_| ConnectError::Malformed)?;
    let place = format!("{}:{}", parsed.get_host(), parsed.get_port());
    let verified = matches!(parsed.get_ssl_mode(), MySqlSslMode::VerifyIdentity);
    if !verified && parsed.get_socket().is_none() && !is_loopback(parsed.get_host()) {
        return Err(ConnectError::Unverified(place));
    }
    let health = Arc::new(Health::new(true));
    let pool = open_pool(mysql_options(url, &health), &place).await?;
    let database = Database::new(pool.clone(), pool, health, None);
    database.start_prober(vitess_session(parsed));
    Ok(database)
}

fn mysql_options(url: &str, health: &Arc<Health>) -> ConnectOptions {
    let mut options = pool_options(url, MYSQL_CONNECTIONS);
    options
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME)
        .test_before_acquire_if_idle_for(PING_AFTER_IDLE);
    options.map_sqlx_mysql_opts(|options| {
        vitess_session(options).statement_cache_capacity(PREPARED_STATEMENTS)
    });
    let (before, after) = (Arc::clone(health), Arc::clone(health));
    options.map_sqlx_mysql_before_acquire(move |_, connection| {
        let may_use = before.may_use(connection.age);
        Box::pin(async move { Ok(may_use) })
    });
    options.map_sqlx_mysql_pool_opts(move |pool| {
        let health = Arc::clone(&after);
        pool.after_connect(|connection, _| Box::pin(set_wait_timeout(connection)))
            // sqlx pings the connection afterwards, which first completes a queued rollback.
            .after_release(move |_, opened| {
                let may_use = health.may_use(opened.age);
                Box::pin(async move { Ok(may_use) })
            })
    });
    options
}

/// Omits the session settings that sqlx makes by default and Vitess rejects.
fn vitess_session(options: MySqlConnectOptions) -> MySqlConnectOptions {
    options.pipes_as_concat(false).no_engine_substitution(false).timezone(None::<String>)
}

/// Limits how long the locks of a suspended or disconnected process last: MySQL waits eight hours
/// for the next statement by default. Vitess ends such transactions by itself, and would reserve a
/// connection for the setting.
async fn set_wait_timeout(connection: &mut MySqlConnection) -> sqlx::Result<()> {
    use sqlx::{AssertSqlSafe, Executor, Row};
    let version: String = connection.fetch_one("SELECT VERSION()").await?.try_get(0)?;
    if !version.to_ascii_lowercase().contains("vitess") {
        let set = format!("SET SESSION wait_timeout = {}", WAIT_TIMEOUT.as_secs());
        connection.execute(AssertSqlSafe(set)).await?;
    }
    Ok(())
}

fn pool_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false).record_stmt_in_spans(false);
    options
}

async fn open_pool(
    options: ConnectOptions,
    place: &str,
) -> Result<DatabaseConnection, ConnectError> {
    sea_orm::Database::connect(options)
        .await
        .map_err(|error| ConnectError::Failed { place: place.to_owned(), why: message(&error) })
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
