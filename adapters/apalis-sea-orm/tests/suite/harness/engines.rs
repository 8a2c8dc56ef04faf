//! Locations of the databases, for this process and those it starts.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Engine {
    Sqlite,
    MySql,
    MariaDb,
}

impl Engine {
    /// The server on which databases of this engine may be created. Without one, the engine is
    /// skipped, or the test fails if `GUESTLIST_TEST_REQUIRE_ALL` is set.
    #[expect(
        clippy::disallowed_methods,
        reason = "the test runner passes the servers in the environment"
    )]
    pub(crate) fn server(self) -> Option<String> {
        let variable = match self {
            Engine::Sqlite => return None,
            Engine::MySql => "GUESTLIST_TEST_MYSQL_URL",
            Engine::MariaDb => "GUESTLIST_TEST_MARIADB_URL",
        };
        let url = std::env::var(variable).ok();
        if url.is_none() {
            let is_required = std::env::var_os("GUESTLIST_TEST_REQUIRE_ALL").is_some();
            assert!(!is_required, "{variable} is not set");
            println!("{self:?} skipped: {variable} is not set");
        }
        url
    }
}

/// A database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DatabaseLocation {
    pub(crate) engine: Engine,
    pub(crate) url: String,
    /// The database on that server.
    pub(crate) database: Option<String>,
}

impl DatabaseLocation {
    /// Creates a database on the server.
    pub(crate) async fn create(engine: Engine, url: String) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("jobs_{}_{number}", std::process::id());
        let server = DatabaseLocation { engine, url, database: None };
        let (pool, _) = server.connect(None).await;
        let create = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
        pool.execute_unprepared(&create).await.unwrap();
        pool.close().await.unwrap();
        DatabaseLocation { database: Some(name), ..server }
    }

    /// Connects pools to write and to read, through another port if one is given.
    pub(crate) async fn connect(
        &self,
        port: Option<u16>,
    ) -> (DatabaseConnection, DatabaseConnection) {
        if self.engine == Engine::Sqlite {
            return (self.file(1).await, self.file(4).await);
        }
        let pool = self.server(port, 8).await;
        (pool.clone(), pool)
    }

    /// Connects a pool of one connection in a transaction, which reads the jobs as they are now.
    pub(crate) async fn snapshot(&self) -> DatabaseConnection {
        let pool = match self.engine {
            Engine::Sqlite => self.file(1).await,
            _ => self.server(None, 1).await,
        };
        for statement in ["BEGIN", "SELECT COUNT(*) FROM jobs"] {
            pool.execute_unprepared(statement).await.unwrap();
        }
        pool
    }

    async fn server(&self, port: Option<u16>, connections: u32) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        let database = self.database.clone();
        // The options that Vitess requires.
        options
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            .map_sqlx_mysql_opts(move |o| {
                let o = o.pipes_as_concat(false).no_engine_substitution(false);
                let o = o.timezone(None::<String>);
                let o = database.iter().fold(o, |o, name| o.database(name));
                port.iter().fold(o, |o, port| o.port(*port))
            });
        Database::connect(options).await.unwrap()
    }

    async fn file(&self, connections: u32) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(connections).map_sqlx_sqlite_opts(|o| {
            o.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                .synchronous(sqlx::sqlite::SqliteSynchronous::Normal)
                .busy_timeout(Duration::from_secs(5))
        });
        Database::connect(options).await.unwrap()
    }
}
