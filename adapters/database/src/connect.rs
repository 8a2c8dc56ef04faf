//! Opens the database: SQLite as one writer and many readers of a file, MySQL as Vitess can bear
//! it. What differs between the engines is here.

use std::sync::Arc;
use std::time::Duration;

use apalis_sea_orm::pool::is_reusable;
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use thiserror::Error;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::connection::Connection;
use crate::errors::message;
use crate::file::{self, DatabaseFile};
use crate::health::{Health, WriteFailure};
use crate::schema::SchemaError;

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
    read: Connection,
    write: Connection,
    health: Arc<Health>,
    /// Ends the task that probes the server, once the last clone is dropped.
    probing: Arc<DropGuard>,
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
    /// There is no such file, and it was not to be created.
    #[error("there is no database file at {0}: run `guestlist migrate up`, or set DATABASE_URL")]
    NoFile(String),
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

/// Opens the database that a URL names. A file that is missing is not created, even by a URL with
/// `mode=rwc`.
pub async fn connect(url: &str) -> Result<Database, ConnectError> {
    match url.split_once(':') {
        Some(("sqlite", _)) => sqlite(url, false).await,
        Some(("mysql", _)) => mysql(url).await,
        _ => Err(ConnectError::Unsupported),
    }
}

/// The same, and creates the file of an SQLite database if it is missing.
pub async fn connect_or_create(url: &str) -> Result<Database, ConnectError> {
    match url.split_once(':') {
        Some(("sqlite", _)) => sqlite(url, true).await,
        Some(("mysql", _)) => mysql(url).await,
        _ => Err(ConnectError::Unsupported),
    }
}

impl Database {
    /// For queries. On SQLite it cannot write.
    pub fn read(&self) -> &Connection {
        &self.read
    }

    /// For everything else. On SQLite it is a single connection.
    pub fn write(&self) -> &Connection {
        &self.write
    }

    /// Which engine.
    pub fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    /// Fails if the file of an SQLite database was deleted or replaced since it was opened.
    pub fn check_file(&self) -> Result<(), SchemaError> {
        self.write.check_file()
    }

    /// Closes all connections, once those in use are given back.
    pub async fn close(self) {
        // Closing cannot fail in a way that anybody could act on.
        let _ = self.read.pool.close().await;
        let _ = self.write.pool.close().await;
    }

    /// Tells `observer` of every statement: its text, how long it took, whether it failed.
    #[must_use]
    pub fn observed<F>(mut self, observer: F) -> Self
    where
        F: Fn(&str, Duration, bool) + Clone + Send + Sync + 'static,
    {
        let other = observer.clone();
        let (read, write) = (&mut self.read.pool, &mut self.write.pool);
        read.set_metric_callback(move |i| observer(&i.statement.sql, i.elapsed, i.failed));
        write.set_metric_callback(move |i| other(&i.statement.sql, i.elapsed, i.failed));
        self
    }

    /// The writes that have failed since the last one that succeeded.
    pub fn write_failure(&self) -> Option<WriteFailure> {
        self.health.write_failure()
    }

    /// Notes an error of a statement that went around [`Connection`], by its pool: a connection that
    /// was lost, or that leads to a server that only reads, is not used again, nor those beside it.
    pub fn note_error(&self, error: &DbErr) {
        self.health.failed(error);
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.write.begin().await
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// Probes the server in the background after a suspicious error, until the last clone of this
    /// database is dropped.
    fn start_prober(&self, options: MySqlConnectOptions) {
        let (health, ended) = (Arc::clone(&self.health), self.probing.token().clone());
        tokio::spawn(async move {
            ended.run_until_cancelled(health.probe_when_suspected(options)).await;
        });
    }

    fn new(
        read: DatabaseConnection,
        write: DatabaseConnection,
        health: Arc<Health>,
        file: Option<DatabaseFile>,
    ) -> Self {
        let file = file.map(Arc::new);
        let connection = |pool, writes| {
            let (health, file) = (Arc::clone(&health), file.clone());
            Connection { pool, health, writes, file }
        };
        Self {
            read: connection(read, false),
            write: connection(write, true),
            probing: Arc::new(CancellationToken::new().drop_guard()),
            health,
        }
    }
}

async fn sqlite(url: &str, create: bool) -> Result<Database, ConnectError> {
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
        file::create(path).map_err(failed)?;
    } else if !path.exists() {
        return Err(ConnectError::NoFile(place));
    }

    let health = Arc::new(Health::new(false));
    let mut writer = options(url, 1);
    let (before, after) = (Arc::clone(&health), Arc::clone(&health));
    writer.map_sqlx_sqlite_before_acquire(move |_, connection| {
        let may_use = before.may_use(connection.age);
        Box::pin(async move { Ok(may_use) })
    });
    writer.map_sqlx_sqlite_pool_opts(move |pool| {
        let health = Arc::clone(&after);
        pool.after_release(move |connection, opened| {
            let may_use = health.may_use(opened.age);
            Box::pin(async move { Ok(may_use && is_reusable(connection).await?) })
        })
    });
    writer.acquire_timeout(ACQUIRE + BUSY).idle_timeout(None).max_lifetime(None);
    writer.map_sqlx_sqlite_opts(|o| {
        o.journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .create_if_missing(false)
            .foreign_keys(false)
            .busy_timeout(BUSY)
    });
    let mut reader = options(url, SQLITE_READERS);
    reader.acquire_timeout(ACQUIRE).max_lifetime(None);
    reader.map_sqlx_sqlite_opts(|o| {
        o.pragma("query_only", "ON").create_if_missing(false).foreign_keys(false).busy_timeout(BUSY)
    });
    // The writer first: it turns the write-ahead log on.
    let write = open(writer, &place).await?;
    let file = Some(DatabaseFile::opened(path).map_err(failed)?);
    Ok(Database::new(open(reader, &place).await?, write, health, file))
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
    pool.map_sqlx_mysql_opts(vitess_safe);
    let health = Arc::new(Health::new(true));
    let (before, after) = (Arc::clone(&health), Arc::clone(&health));
    pool.map_sqlx_mysql_before_acquire(move |_, connection| {
        let may_use = before.may_use(connection.age);
        Box::pin(async move { Ok(may_use) })
    });
    pool.map_sqlx_mysql_pool_opts(move |pool| {
        let health = Arc::clone(&after);
        pool.after_connect(|connection, _| Box::pin(end_silent_transactions(connection)))
            // sqlx pings each connection after this; a rollback that is still queued comes first.
            .after_release(move |_, opened| {
                let may_use = health.may_use(opened.age);
                Box::pin(async move { Ok(may_use) })
            })
    });
    let write = open(pool, &place).await?;
    let database = Database::new(write.clone(), write, health, None);
    database.start_prober(vitess_safe(parsed));
    Ok(database)
}

/// Leaves out the session settings that sqlx makes by default and Vitess refuses.
fn vitess_safe(options: MySqlConnectOptions) -> MySqlConnectOptions {
    options.pipes_as_concat(false).no_engine_substitution(false).timezone(None::<String>)
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
    sea_orm::Database::connect(options)
        .await
        .map_err(|error| ConnectError::Failed { place: place.to_owned(), why: message(&error) })
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
