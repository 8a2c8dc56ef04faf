//! A database of its own for each test, on each engine, and a look at every statement it is sent.

use std::sync::{Arc, Mutex};

use apalis_sea_orm::Waker;
use guestlist_database::{Database, SqlStore, connect_or_create};
use sea_orm::{ConnectionTrait, Statement};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

use crate::samples::id;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    MySql,
    MariaDb,
}

/// Makes each test a test of each engine, or of each that has a server.
macro_rules! contract {
    (servers: $($test:ident),+ $(,)?) => {
        contract!(@mysql MySql: $($test),+);
        contract!(@mariadb MariaDb: $($test),+);
    };
    ($($test:ident),+ $(,)?) => {
        contract!(@sqlite Sqlite: $($test),+);
        contract!(@mysql MySql: $($test),+);
        contract!(@mariadb MariaDb: $($test),+);
    };
    (@$module:ident $engine:ident: $($test:ident),+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    use crate::bed::{Bed, Engine};
                    let Some(bed) = Bed::make(Engine::$engine).await else { return };
                    super::$test(&bed).await;
                    bed.clear_away().await;
                }
            )+
        }
    };
}
pub(crate) use contract;

pub(crate) struct Bed {
    pub(crate) engine: Engine,
    pub(crate) url: String,
    pub(crate) database: Database,
    pub(crate) store: SqlStore,
    pub(crate) waker: Waker,
    statements: Arc<Mutex<Vec<String>>>,
    place: Place,
}

enum Place {
    File { _dir: tempfile::TempDir },
    Server { url: String, name: String },
}

impl Bed {
    /// A database with the schema.
    pub(crate) async fn make(engine: Engine) -> Option<Self> {
        let bed = Self::make_bare(engine).await?;
        guestlist_migrations::up(bed.database.write().pool(), None).await.unwrap();
        Some(bed)
    }

    /// A database without tables.
    pub(crate) async fn make_bare(engine: Engine) -> Option<Self> {
        let (url, place) = match engine {
            Engine::Sqlite => file(),
            Engine::MySql => server("GUESTLIST_TEST_MYSQL_URL").await?,
            Engine::MariaDb => server("GUESTLIST_TEST_MARIADB_URL").await?,
        };
        let statements = Arc::new(Mutex::new(Vec::new()));
        let heard = statements.clone();
        let database = connect_or_create(&url).await.unwrap().observed(move |statement, _, _| {
            heard.lock().unwrap().push(statement.to_owned());
        });
        let waker = Waker::default();
        let store = SqlStore::new(database.clone(), waker.clone());
        Some(Self { engine, url, database, store, waker, statements, place })
    }

    /// What the database was sent so far; forgets it.
    pub(crate) fn take_statements(&self) -> Vec<String> {
        let statements = std::mem::take(&mut *self.statements.lock().unwrap());
        for statement in &statements {
            // SeaORM keeps its own history, and on SQLite in its own way.
            let theirs = self.engine == Engine::Sqlite && statement.contains("seaql_migrations");
            if !theirs {
                refuse_what_vitess_refuses(statement);
            }
        }
        statements
    }

    /// Forgets what a test itself has asked.
    pub(crate) fn forget_statements(&self) {
        self.statements.lock().unwrap().clear();
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let backend = self.database.backend();
        let count = Statement::from_string(backend, format!("SELECT COUNT(*) FROM {table}"));
        let row = self.database.write().query_one_raw(count).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    pub(crate) async fn clear_away(self) {
        self.take_statements();
        drop(self.store);
        self.database.close().await;
        if let Place::Server { url, name } = &self.place {
            let mut server = MySqlConnection::connect(url).await.unwrap();
            server.execute(AssertSqlSafe(format!("DROP DATABASE {name}"))).await.unwrap();
        }
    }
}

fn file() -> (String, Place) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/guestlist.db?mode=rwc", dir.path().display());
    (url, Place::File { _dir: dir })
}

async fn server(variable: &str) -> Option<(String, Place)> {
    let url = environment(variable)?;
    let name = format!("guestlist_{}", id().simple());
    let mut server = MySqlConnection::connect(&url).await.unwrap();
    server.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let mut own = url::Url::parse(&url).unwrap();
    own.set_path(&name);
    Some((own.to_string(), Place::Server { url, name }))
}

#[expect(clippy::disallowed_methods, reason = "how a developer names the servers to test on")]
fn environment(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        eprintln!("not run: {variable} is not set");
        assert!(std::env::var("GUESTLIST_TEST_REQUIRE_ALL").is_err(), "{variable} must be set");
    }
    url
}

/// Every statement is prepared, and Vitess prepares none of these.
fn refuse_what_vitess_refuses(statement: &str) {
    let upper = statement.to_uppercase();
    assert!(!upper.trim_start().starts_with("WITH"), "a leading WITH: {statement}");
    for refused in [
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
        assert!(!upper.contains(refused), "{refused} in: {statement}");
    }
    let parameters = statement.matches('?').count();
    assert!(parameters <= 30_000, "{parameters} parameters");
}
