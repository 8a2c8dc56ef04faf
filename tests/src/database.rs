//! Databases for tests.

mod engine;
mod network_proxy;
mod server;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::Url;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, QueryResult, Statement,
};
use uuid::Uuid;

pub use engine::{Engine, on_every_engine, one_engine_at_a_time};
pub use network_proxy::NetworkProxy;
pub use server::DatabaseServer;

use crate::coverage;

/// A database of one test, which is dropped with it.
#[derive(Debug)]
pub struct TestDatabase {
    /// Its engine.
    pub engine: Engine,
    /// Its URL, as the programs receive it.
    pub url: String,
    /// The URL of its server, and its name there.
    server: Option<(String, String)>,
}

impl TestDatabase {
    /// Creates a database on a server, or an SQLite file in `folder` if there is no server.
    pub async fn create(engine: Engine, server: Option<String>, folder: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        coverage::ran(&engine);
        let Some(server) = server else {
            let url = format!("sqlite://{}?mode=rwc", folder.join("guestlist.db").display());
            return Self { engine, url, server: None };
        };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e_{}_{count}", std::process::id());
        let connection = Database::connect(options(&server)).await.expect("the server");
        for statement in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
            connection.execute_unprepared(&format!("{statement} {name}")).await.unwrap();
        }
        connection.close().await.unwrap();
        let mut url = Url::parse(&server).expect("a URL");
        url.set_path(&name);
        Self { engine, url: url.into(), server: Some((server, name)) }
    }

    /// Opens an existing SQLite file.
    pub fn open_file(path: &Path) -> Self {
        let url = format!("sqlite://{}?mode=rw", path.display());
        Self { engine: Engine::Sqlite, url, server: None }
    }

    /// Returns the ids of all invitations, as the API formats them.
    pub async fn invitation_ids(&self) -> BTreeSet<String> {
        let rows = self.query("SELECT HEX(id) FROM invitations").await;
        let ids = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap());
        ids.map(|id| Uuid::parse_str(&id).unwrap().to_string()).collect()
    }

    /// Opens a connection besides those of the programs.
    pub async fn connect(&self) -> DatabaseConnection {
        Database::connect(options(&self.url)).await.expect("the test's database")
    }

    /// Returns the rows of a query.
    pub async fn query(&self, sql: &str) -> Vec<QueryResult> {
        let connection = self.connect().await;
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let rows = connection.query_all_raw(statement).await;
        connection.close().await.unwrap();
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Returns the integer that a query selects.
    pub async fn integer(&self, sql: &str) -> i64 {
        let rows = self.query(sql).await;
        rows[0].try_get_by_index(0).unwrap()
    }

    /// Executes a statement, and returns the number of affected rows.
    pub async fn execute(&self, sql: &str) -> u64 {
        let connection = self.connect().await;
        let changed = connection.execute_unprepared(sql).await;
        connection.close().await.unwrap();
        changed.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    /// Executes statements on one connection.
    pub async fn execute_all(&self, statements: &[String]) {
        let connection = self.connect().await;
        for sql in statements {
            connection.execute_unprepared(sql).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    /// Locks an SQLite file exclusively for a time.
    pub async fn lock_for(&self, time: Duration) {
        let begin = ["PRAGMA busy_timeout = 30000", "BEGIN EXCLUSIVE"];
        let connection = self.connect().await;
        for sql in begin {
            connection.execute_unprepared(sql).await.unwrap();
        }
        tokio::time::sleep(time).await;
        connection.execute_unprepared("COMMIT").await.unwrap();
        connection.close().await.unwrap();
    }

    /// Returns whether another process is in a write transaction on an SQLite file; `false` for
    /// the other engines.
    pub async fn is_locked(&self) -> bool {
        if self.engine != Engine::Sqlite {
            return false;
        }
        let connection = self.connect().await;
        connection.execute_unprepared("PRAGMA busy_timeout = 0").await.unwrap();
        let is_locked = connection.execute_unprepared("BEGIN IMMEDIATE").await.is_err();
        connection.close().await.unwrap();
        is_locked
    }
}

fn options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    options
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some((server, name)) = self.server.take() else { return };
        // On a thread with its own runtime, because blocking is not allowed on the test's.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                if let Ok(connection) = Database::connect(options(&server)).await {
                    let drop = format!("DROP DATABASE IF EXISTS {name}");
                    let _ = connection.execute_unprepared(&drop).await;
                }
            });
        });
        let _ = dropping.join();
    }
}
