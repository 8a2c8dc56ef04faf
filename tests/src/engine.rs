//! The databases that every promise is kept on.

use std::fmt;

use tokio::task::LocalSet;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Embedded, always there.
    Sqlite,
    /// At `GUESTLIST_TEST_MYSQL_URL`.
    MySql,
    /// At `GUESTLIST_TEST_MARIADB_URL`.
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
    /// The server's address, for those that have one.
    pub(crate) fn server_url(self) -> Option<String> {
        let variable = match self {
            Self::Sqlite => return None,
            Self::MySql => "GUESTLIST_TEST_MYSQL_URL",
            Self::MariaDb => "GUESTLIST_TEST_MARIADB_URL",
        };
        let url = std::env::var_os(variable).filter(|url| !url.is_empty());
        let all = std::env::var_os("GUESTLIST_TEST_REQUIRE_ALL").is_some_and(|all| all == "1");
        assert!(url.is_some() || !all, "{variable} is not set, and none may be left out");
        url.map(|url| url.into_string().unwrap())
    }

    /// Those that can be had here.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Sqlite];
        for engine in [Self::MySql, Self::MariaDb] {
            match engine.server_url() {
                Some(_) => all.push(engine),
                None => eprintln!("NOT TESTED on {engine}: its variable is not set"),
            }
        }
        all
    }
}

/// Runs a test on every engine, side by side.
pub async fn on_every_engine<F>(test: impl Fn(Engine) -> F)
where
    F: Future<Output = ()> + 'static,
{
    run(test, 3).await;
}

/// The same, one after the other: for tests that keep the machine busy or measure time.
pub async fn one_engine_at_a_time<F>(test: impl Fn(Engine) -> F)
where
    F: Future<Output = ()> + 'static,
{
    run(test, 1).await;
}

async fn run<F>(test: impl Fn(Engine) -> F, at_once: usize)
where
    F: Future<Output = ()> + 'static,
{
    let mut failed = Vec::new();
    for engines in Engine::all().chunks(at_once) {
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
