//! The configuration of an installation.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::{Engine, Guestlist, TestDatabase};

/// The address of the configured administrator.
pub const ADMIN: &str = "admin@example.com";

/// The credentials that the sandbox and its clients share, unless they are one process.
pub(crate) const PROJECT_ID: &str = "project-test-00000000-0000-4000-8000-000000000000";
pub(crate) const SECRET: &str = "secret-test-e2e-only-k3pT0utOfL0gs=";

/// The configuration of an installation that is not started yet.
#[derive(Debug, Clone)]
pub struct Setup {
    pub(crate) engine: Engine,
    pub(crate) topology: Topology,
    pub(crate) env: Vec<(String, String)>,
    server: Option<String>,
}

/// How an installation is divided into processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topology {
    /// `guestlist dev`.
    Dev,
    /// `stytch-sandbox`, `guestlist serve`, and a number of `guestlist-worker`.
    Split { workers: usize },
}

impl Setup {
    pub(crate) fn new(engine: Engine, topology: Topology) -> Self {
        let mut env = vec![
            ("LISTEN_ADDR", "127.0.0.1:0"),
            ("SANDBOX_LISTEN_ADDR", "127.0.0.1:0"),
            ("WORKER_LISTEN_ADDR", "127.0.0.1:0"),
            ("RUST_BACKTRACE", "1"),
        ];
        if topology != Topology::Dev {
            env.extend([
                ("STYTCH_PROJECT_ID", PROJECT_ID),
                ("STYTCH_SECRET", SECRET),
                ("ADMIN_EMAILS", ADMIN),
            ]);
        }
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { engine, topology, env: env.collect(), server: None }
    }

    /// Sets an environment variable of every process.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Creates the database on a server other than the one that all tests share.
    #[must_use]
    pub fn on_server(mut self, url: &str) -> Self {
        self.server = Some(url.to_owned());
        self
    }

    /// Sets the number of worker processes.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.topology = Topology::Split { workers };
        self
    }

    /// Creates the folder and the database, and starts no process.
    pub async fn prepare(self) -> Guestlist {
        let folder = TempDir::with_prefix("guestlist-e2e-").unwrap();
        let server = self.server.clone().or_else(|| self.engine.server_url());
        let database = TestDatabase::create(self.engine, server, folder.path()).await;
        let setup = self.env("DATABASE_URL", &database.url);
        Guestlist::prepared(setup, database, folder)
    }

    /// Starts every process, and waits until all are ready.
    pub async fn start(self) -> Guestlist {
        let mut guestlist = self.prepare().await;
        guestlist.start().await;
        guestlist
    }
}

/// Returns a port on which nothing listens. It is below the kernel's ephemeral ports, so that the
/// kernel gives it to no other test before it is used.
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
