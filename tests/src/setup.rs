//! How an installation is to be: in one process or in several, on which engine, with what said.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::{Engine, Guestlist, TestDatabase};

/// The administrator by configuration.
pub const ADMIN: &str = "admin@example.com";

/// What the sandbox and its callers agree on, where they are processes of their own.
pub(crate) const PROJECT_ID: &str = "project-test-00000000-0000-4000-8000-000000000000";
pub(crate) const SECRET: &str = "secret-test-e2e-only-k3pT0utOfL0gs=";

/// An installation that is not started yet.
#[derive(Debug, Clone)]
pub struct Setup {
    pub(crate) engine: Engine,
    pub(crate) shape: Shape,
    pub(crate) env: Vec<(String, String)>,
    server: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `guestlist dev`.
    Dev,
    /// `guestlist sandbox`, `guestlist serve` and so many `guestlist-worker`.
    Split { workers: usize },
}

impl Setup {
    pub(crate) fn new(engine: Engine, shape: Shape) -> Self {
        let mut env = vec![
            ("LISTEN_ADDR", "127.0.0.1:0"),
            ("SANDBOX_LISTEN_ADDR", "127.0.0.1:0"),
            ("WORKER_LISTEN_ADDR", "127.0.0.1:0"),
            ("RUST_BACKTRACE", "1"),
        ];
        if shape != Shape::Dev {
            env.extend([
                ("STYTCH_PROJECT_ID", PROJECT_ID),
                ("STYTCH_SECRET", SECRET),
                ("ADMIN_EMAILS", ADMIN),
            ]);
        }
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { engine, shape, env: env.collect(), server: None }
    }

    /// Sets a variable of the environment of every process.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On that server instead of the one that all tests share.
    #[must_use]
    pub fn on_server(mut self, url: &str) -> Self {
        self.server = Some(url.to_owned());
        self
    }

    /// How many workers, where they are processes of their own.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.shape = Shape::Split { workers };
        self
    }

    /// Makes the folder and the database, and starts nothing.
    pub async fn prepare(self) -> Guestlist {
        let folder = TempDir::with_prefix("guestlist-e2e-").unwrap();
        let server = self.server.clone().or_else(|| self.engine.server_url());
        let database = TestDatabase::create(self.engine, server, folder.path()).await;
        let setup = self.env("DATABASE_URL", &database.url);
        Guestlist::prepared(setup, database, folder)
    }

    /// Starts it, and waits until it is ready.
    pub async fn start(self) -> Guestlist {
        let mut guestlist = self.prepare().await;
        guestlist.start().await;
        guestlist
    }
}

/// A port that nobody listens on, below those that the system hands out by itself, so that no
/// other test is given it in between.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 90 * 100).unwrap();
    loop {
        let port = 10_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 9000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
