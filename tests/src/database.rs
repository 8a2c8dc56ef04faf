//! A database for one test: made for it, looked into by it, dropped after it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Url;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, QueryResult};
use uuid::Uuid;

use crate::Engine;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A database of its own.
#[derive(Debug)]
pub struct TestDatabase {
    /// Which kind.
    pub engine: Engine,
    /// As the programs are given it.
    pub url: String,
    server: Option<(String, String)>,
}

impl TestDatabase {
    /// Makes one on that server; SQLite's is a file in the folder.
    pub async fn create(engine: Engine, server: Option<String>, folder: &Path) -> Self {
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

    /// An SQLite file that is there already.
    pub fn file(path: &Path) -> Self {
        let url = format!("sqlite://{}?mode=rw", path.display());
        Self { engine: Engine::Sqlite, url, server: None }
    }

    /// The ids of all invitations, as the API writes them.
    pub async fn invitation_ids(&self) -> BTreeSet<String> {
        let rows = self.query("SELECT HEX(id) FROM invitations").await;
        let ids = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap());
        ids.map(|id| Uuid::parse_str(&id).unwrap().to_string()).collect()
    }

    /// A connection of the test's own, beside the programs'.
    pub async fn connect(&self) -> DatabaseConnection {
        Database::connect(options(&self.url)).await.expect("the test's database")
    }

    /// Rows of a query.
    pub async fn query(&self, sql: &str) -> Vec<QueryResult> {
        let connection = self.connect().await;
        let rows = connection.query_all_raw(statement(&connection, sql)).await;
        connection.close().await.unwrap();
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Changes rows behind the programs' backs; answers how many.
    pub async fn run(&self, sql: &str) -> u64 {
        let connection = self.connect().await;
        let changed = connection.execute_unprepared(sql).await;
        connection.close().await.unwrap();
        changed.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    /// Several statements on one connection.
    pub async fn run_all(&self, statements: &[String]) {
        let connection = self.connect().await;
        for sql in statements {
            connection.execute_unprepared(sql).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    /// Keeps a file to itself for so long: nobody else can write.
    pub async fn lock_for(&self, time: std::time::Duration) {
        let connection = self.connect().await;
        connection.execute_unprepared("PRAGMA busy_timeout = 30000").await.unwrap();
        connection.execute_unprepared("BEGIN EXCLUSIVE").await.unwrap();
        tokio::time::sleep(time).await;
        connection.execute_unprepared("COMMIT").await.unwrap();
        connection.close().await.unwrap();
    }

    /// Whether a process has a SQLite file to itself, being in the middle of writing.
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

    /// The one number that a query answers.
    pub async fn number(&self, sql: &str) -> i64 {
        let rows = self.query(sql).await;
        rows[0].try_get_by_index(0).unwrap()
    }
}

fn statement(connection: &DatabaseConnection, sql: &str) -> sea_orm::Statement {
    sea_orm::Statement::from_string(connection.get_database_backend(), sql)
}

fn options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    options
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some((server, name)) = self.server.take() else { return };
        // A thread with a runtime of its own: a test's is not to be blocked on from within.
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
