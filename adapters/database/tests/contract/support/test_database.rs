//! A new database for each test and engine, which records every statement.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use apalis_sea_orm::Waker;
use guestlist_database::{Database, SqlStore, connect_or_create};
use sea_orm::Statement;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

use super::fixtures::id;
use super::test_store::TestStore;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    MySql,
    MariaDb,
}

pub(crate) struct TestDatabase {
    pub(crate) engine: Engine,
    pub(crate) url: String,
    pub(crate) database: Database,
    pub(crate) store: Arc<SqlStore>,
    /// The same store, as the tests of all engines see it.
    test_store: TestStore,
    pub(crate) waker: Waker,
    statements: Arc<Mutex<Vec<Statement>>>,
    location: Location,
}

enum Location {
    File { _dir: tempfile::TempDir },
    Server { url: String, name: String },
}

impl TestDatabase {
    /// Creates a database with the schema, or returns `None` if the engine's server is not
    /// configured.
    pub(crate) async fn create(engine: Engine) -> Option<Self> {
        let db = Self::create_empty(engine).await?;
        guestlist_migrations::up(db.database.write().pool(), None).await.unwrap();
        Some(db)
    }

    /// Creates a database without tables.
    pub(crate) async fn create_empty(engine: Engine) -> Option<Self> {
        let (url, location) = match engine {
            Engine::Sqlite => create_file(),
            Engine::MySql => create_on_server("GUESTLIST_TEST_MYSQL_URL").await?,
            Engine::MariaDb => create_on_server("GUESTLIST_TEST_MARIADB_URL").await?,
        };
        let statements = Arc::new(Mutex::new(Vec::new()));
        let recorded = statements.clone();
        let database = connect_or_create(&url).await.unwrap().observed(move |info| {
            recorded.lock().unwrap().push(info.statement.clone());
        });
        let waker = Waker::default();
        let store = Arc::new(SqlStore::new(database.clone(), waker.clone()));
        let test_store = TestStore::on_sql(store.clone());
        Some(Self { engine, url, database, store, test_store, waker, statements, location })
    }

    /// Returns the text of the statements since the last call.
    pub(crate) fn take_statements(&self) -> Vec<String> {
        self.take_statements_with_values().into_iter().map(|statement| statement.sql).collect()
    }

    /// Returns the statements since the last call.
    pub(crate) fn take_statements_with_values(&self) -> Vec<Statement> {
        let statements = std::mem::take(&mut *self.statements.lock().unwrap());
        for Statement { sql, .. } in &statements {
            // SeaORM's own statements on SQLite are never sent to Vitess.
            if self.engine != Engine::Sqlite || !sql.contains("seaql_migrations") {
                assert_supported_by_vitess(sql);
            }
        }
        statements
    }

    /// Discards the recorded statements, such as those of the test itself.
    pub(crate) fn clear_statements(&self) {
        self.statements.lock().unwrap().clear();
    }

    pub(crate) async fn cleanup(self) {
        self.take_statements();
        drop((self.store, self.test_store));
        self.database.close().await;
        if let Location::Server { url, name } = &self.location {
            let mut server = MySqlConnection::connect(url).await.unwrap();
            server.execute(AssertSqlSafe(format!("DROP DATABASE {name}"))).await.unwrap();
        }
    }
}

impl Deref for TestDatabase {
    type Target = TestStore;

    fn deref(&self) -> &TestStore {
        &self.test_store
    }
}

fn create_file() -> (String, Location) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/guestlist.db?mode=rwc", dir.path().display());
    (url, Location::File { _dir: dir })
}

async fn create_on_server(variable: &str) -> Option<(String, Location)> {
    let url = environment(variable)?;
    let name = format!("guestlist_{}", id().simple());
    let mut server = MySqlConnection::connect(&url).await.unwrap();
    server.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let mut database_url = url::Url::parse(&url).unwrap();
    database_url.set_path(&name);
    Some((database_url.to_string(), Location::Server { url, name }))
}

#[expect(clippy::disallowed_methods, reason = "developers name the test servers by variables")]
fn environment(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        eprintln!("skipped: {variable} is not set");
        assert!(std::env::var("GUESTLIST_TEST_REQUIRE_ALL").is_err(), "{variable} must be set");
    }
    url
}

/// Fails on statements that Vitess does not prepare.
fn assert_supported_by_vitess(statement: &str) {
    let upper = statement.to_uppercase();
    assert!(!upper.trim_start().starts_with("WITH"), "a leading WITH: {statement}");
    for unsupported in [
        " RETURNING",
        "GET_LOCK",
        "RELEASE_LOCK",
        "ISOLATION LEVEL",
        "SET SESSION",
        "SET TRANSACTION",
        "FOREIGN KEY",
        "REFERENCES",
        "AUTO_INCREMENT",
        "LAST_INSERT_ID",
        "TEMPORARY",
        "TRUNCATE",
        "JSON_TABLE",
        "0900",
        "||",
        ":=",
        "@@",
        ";",
    ] {
        assert!(!upper.contains(unsupported), "{unsupported} in: {statement}");
    }
    let parameters = statement.matches('?').count();
    assert!(parameters <= 30_000, "{parameters} parameters");
}
