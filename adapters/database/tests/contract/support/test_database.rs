//! A new database for each test and engine, which records every statement.

use std::sync::{Arc, Mutex};

use apalis_sea_orm::Waker;
use guestlist_database::{Database, SqlStore, connect_or_create};
use guestlist_domain::{Change, Session, Store, User, Verdict};
use sea_orm::{ConnectionTrait, Statement};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

use super::fixtures::{active_user, id, session};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    MySql,
    MariaDb,
}

/// Defines a test per engine for each function. Functions after `servers:` are tested on MySQL and
/// MariaDB only, functions after `sqlite:` on SQLite only.
macro_rules! contract {
    (
        $($test:ident),* $(,)?
        $(; servers: $($server_test:ident),+ $(,)?)?
        $(; sqlite: $($sqlite_test:ident),+ $(,)?)?
    ) => {
        contract!(@sqlite Sqlite: $($test,)* $($($sqlite_test,)+)?);
        contract!(@mysql MySql: $($test,)* $($($server_test,)+)?);
        contract!(@mariadb MariaDb: $($test,)* $($($server_test,)+)?);
    };
    (@$module:ident $engine:ident: $($test:ident,)*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    use crate::support::test_database::{Engine, TestDatabase};
                    let Some(db) = TestDatabase::create(Engine::$engine).await else { return };
                    super::$test(&db).await;
                    db.cleanup().await;
                }
            )*
        }
    };
}
pub(crate) use contract;

pub(crate) struct TestDatabase {
    pub(crate) engine: Engine,
    pub(crate) url: String,
    pub(crate) database: Database,
    pub(crate) store: SqlStore,
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
        let store = SqlStore::new(database.clone(), waker.clone());
        Some(Self { engine, url, database, store, waker, statements, location })
    }

    /// Applies a change, and fails if it is not applied.
    pub(crate) async fn apply(&self, change: Change) {
        assert_eq!(self.verdict(change).await, Verdict::Applied);
    }

    pub(crate) async fn verdict(&self, change: Change) -> Verdict {
        self.store.apply(change).await.unwrap()
    }

    /// Inserts a user with three sessions, and another user with one.
    pub(crate) async fn insert_sessions(&self) -> (User, Vec<Session>, Session) {
        let (user, other) = (active_user(), active_user());
        let sessions: Vec<_> = (0..3).map(|_| session(&user)).collect();
        let other_session = session(&other);
        let mut change = Change::new().insert_user(user.clone()).insert_user(other);
        change.sessions = sessions.iter().chain([&other_session]).cloned().collect();
        self.apply(change).await;
        (user, sessions, other_session)
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

    /// Returns the number of rows in a table.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let backend = self.database.backend();
        let count = Statement::from_string(backend, format!("SELECT COUNT(*) FROM {table}"));
        let row = self.database.write().query_one_raw(count).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    pub(crate) async fn cleanup(self) {
        self.take_statements();
        drop(self.store);
        self.database.close().await;
        if let Location::Server { url, name } = &self.location {
            let mut server = MySqlConnection::connect(url).await.unwrap();
            server.execute(AssertSqlSafe(format!("DROP DATABASE {name}"))).await.unwrap();
        }
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
