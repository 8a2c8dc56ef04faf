//! The database engines that tests run on.

use std::fmt;

use tokio::task::LocalSet;

use crate::coverage;

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Embedded, so always available.
    Sqlite,
    /// The server at `GUESTLIST_TEST_MYSQL_URL`.
    MySql,
    /// The server at `GUESTLIST_TEST_MARIADB_URL`.
    MariaDb,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

impl Engine {
    fn variable(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::MySql => Some("GUESTLIST_TEST_MYSQL_URL"),
            Self::MariaDb => Some("GUESTLIST_TEST_MARIADB_URL"),
        }
    }

    /// Returns the URL of the server that all tests share; `None` for SQLite.
    pub(crate) fn server_url(self) -> Option<String> {
        let url = std::env::var_os(self.variable()?).filter(|url| !url.is_empty())?;
        Some(url.into_string().unwrap())
    }

    /// Returns the available engines, and records the others as skipped.
    pub fn all() -> Vec<Self> {
        let mut engines = vec![Self::Sqlite];
        engines.extend(Self::with_server());
        engines
    }

    /// Returns the available engines that have a server, and records the others as skipped.
    pub fn with_server() -> Vec<Self> {
        let is_available = |engine: &Self| {
            let is_available = engine.server_url().is_some();
            if !is_available {
                let variable = engine.variable().unwrap_or_default();
                coverage::skipped(engine, &format!("{variable} is not set"));
            }
            is_available
        };
        [Self::MySql, Self::MariaDb].into_iter().filter(is_available).collect()
    }
}

/// Runs a test on every engine concurrently.
pub async fn on_every_engine<F>(test: impl Fn(Engine) -> F)
where
    F: Future<Output = ()> + 'static,
{
    run(test, 3).await;
}

/// Runs a test on one engine after the other, because it loads the machine or measures time.
pub async fn one_engine_at_a_time<F>(test: impl Fn(Engine) -> F)
where
    F: Future<Output = ()> + 'static,
{
    run(test, 1).await;
}

async fn run<F>(test: impl Fn(Engine) -> F, concurrency: usize)
where
    F: Future<Output = ()> + 'static,
{
    let mut failed = Vec::new();
    for engines in Engine::all().chunks(concurrency) {
        let tests = LocalSet::new();
        let each = engines.iter().map(|engine| (*engine, tests.spawn_local(test(*engine))));
        let running: Vec<_> = each.collect();
        tests.await;
        for (engine, ended) in running {
            if ended.await.is_err() {
                failed.push(engine.to_string());
            }
        }
    }
    assert!(failed.is_empty(), "failed on {}", failed.join(", "));
}
