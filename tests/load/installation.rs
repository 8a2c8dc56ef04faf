//! Guestlist's programs and the local Stytch, as separate processes on a database of their own.

use std::time::{Duration, Instant};

use guestlist_tests::{
    ADMIN, Engine, Guestlist, LONG, Process, SHORT, TestDatabase, free_port, wait_until,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::Value;

use crate::client::{Connection, request};
use crate::{machine, processes, seed};

/// A running application with its local Stytch, and a worker when it is started.
#[derive(Debug)]
pub struct Installation {
    pub guestlist: Guestlist,
    pub sandbox: Process,
    pub worker: Option<Process>,
    /// Where the application listens, as host and port.
    pub address: String,
    worker_address: String,
    sandbox_address: String,
    connection: DatabaseConnection,
    engine: Engine,
}

impl Installation {
    /// Creates a database with so many rows, and starts everything but a worker.
    pub async fn start(engine: Engine, server: Option<&str>, rows: u64) -> Self {
        let worker_address = format!("127.0.0.1:{}", free_port());
        let mut setup = Guestlist::split(engine)
            .env("RUST_LOG", "warn")
            // The provider's own speed is to be the limit.
            .env("STYTCH_RATE_LIMIT", "1000000/s")
            .env("WORKER_LISTEN_ADDR", &worker_address);
        if let Some(server) = server {
            setup = setup.on_server(server);
        }
        let mut guestlist = setup.prepare().await;
        let sandbox = guestlist.spawn("stytch-sandbox", &["--no-mail-limit"]);
        let sandbox_url = sandbox.urls("http://").await.remove(0);
        guestlist.set_env("STYTCH_BASE_URL", &sandbox_url);
        guestlist.sandbox_url.clone_from(&sandbox_url);
        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        guestlist.api_key = guestlist.create_key("load", &[]).await.1;
        let connection = guestlist.database().connect().await;
        seed::seed(&connection, rows, machine::now().as_microsecond())
            .await
            .expect("the database is seeded");
        guestlist.start_app().await;
        guestlist.set_env("PUBLIC_URL", &guestlist.public_url.clone());
        let host = |url: &str| url.trim_start_matches("http://").to_owned();
        let (address, sandbox_address) = (host(&guestlist.url), host(&sandbox_url));
        Self {
            guestlist,
            sandbox,
            worker: None,
            address,
            worker_address,
            sandbox_address,
            connection,
            engine,
        }
    }

    /// Starts a worker without waiting for it.
    pub fn spawn_worker(&mut self) {
        assert!(self.worker.is_none(), "a worker runs already");
        self.worker = Some(self.guestlist.spawn("guestlist-worker", &[]));
    }

    /// Starts a worker, and waits until it is ready.
    pub async fn start_worker(&mut self) {
        self.spawn_worker();
        let worker = self.worker.as_ref().expect("a worker");
        wait_until(SHORT, "the worker is ready", async || {
            assert!(worker.status().is_none(), "the worker ended: {}", worker.log());
            let mut connection = Connection::open(&self.worker_address).await.ok()?;
            let status = connection.send(&request("GET", "/readyz", "", "")).await.ok()?;
            (status == 200).then_some(())
        })
        .await;
    }

    /// Stops the worker with SIGTERM.
    pub async fn stop_worker(&mut self) {
        let worker = self.worker.take().expect("a running worker");
        worker.terminate();
        wait_until(LONG, "the worker stops", async || worker.status()).await;
    }

    /// Returns the process id of the worker.
    pub fn worker_id(&self) -> u32 {
        self.worker.as_ref().expect("a running worker").id()
    }

    /// Logs the administrator in, and returns the session's JWT, which is valid for five minutes.
    /// Needs a worker.
    pub async fn log_in(&self) -> String {
        self.guestlist.log_in(ADMIN).await.jwt().to_owned()
    }

    /// Deletes the jobs that no worker has run, so that later scenarios begin without a backlog.
    pub async fn delete_open_jobs(&self) {
        let sql = "DELETE FROM jobs WHERE state <> 'done'";
        self.connection.execute_unprepared(sql).await.expect("the jobs are deleted");
    }

    /// Returns how many statements the server has executed, of all its clients; `None` for SQLite.
    pub async fn statements(&self) -> Option<f64> {
        if self.engine == Engine::Sqlite {
            return None;
        }
        let sql = "SHOW GLOBAL STATUS LIKE 'Questions'";
        let statement = Statement::from_string(self.connection.get_database_backend(), sql);
        let row = self.connection.query_one_raw(statement).await.expect("a status")?;
        row.try_get_by_index::<String>(1).ok()?.parse().ok()
    }

    /// Returns the bytes that a process has written, on SQLite, where it writes the database itself.
    pub fn written_bytes(&self, process: u32) -> Option<f64> {
        (self.engine == Engine::Sqlite).then(|| processes::written_bytes(process))
    }

    /// Watches the mails that the local Stytch sends.
    pub async fn mails(&self) -> Mails {
        let connection = Connection::open(&self.sandbox_address).await.expect("the local Stytch");
        Mails(connection)
    }

    /// Sets how long the local Stytch takes to answer.
    pub async fn set_latency(&self, milliseconds: u64) {
        let faults = serde_json::json!({ "latency_ms": milliseconds });
        self.guestlist.sandbox().set_faults(&faults).await;
    }

    /// Starts another process of the application, and returns the time until it answers.
    pub async fn cold_start(&mut self) -> Duration {
        let address = format!("127.0.0.1:{}", free_port());
        self.guestlist.set_env("LISTEN_ADDR", &address);
        let started = Instant::now();
        let process = self.guestlist.spawn("guestlist", &["serve"]);
        while started.elapsed() < SHORT {
            assert!(process.status().is_none(), "the application ended: {}", process.log());
            if let Ok(mut connection) = Connection::open(&address).await
                && matches!(connection.send(&request("GET", "/healthz", "", "")).await, Ok(200))
            {
                return started.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the application did not start: {}", process.log());
    }

    /// Returns its database.
    pub fn database(&self) -> &TestDatabase {
        self.guestlist.database()
    }
}

/// The number of invitations that the local Stytch has mailed.
#[derive(Debug)]
pub struct Mails(Connection);

impl Mails {
    pub async fn count(&mut self) -> u64 {
        let request = request("GET", "/sandbox/stats", "", "");
        assert_eq!(self.0.send(&request).await.expect("the local Stytch answers"), 200);
        let stats: Value = serde_json::from_slice(self.0.body()).expect("JSON");
        stats["requests"]["POST /v1/magic_links/email/invite"]["200"].as_u64().unwrap_or(0)
    }

    /// Waits until there are so many, and returns whether that happened within the limit.
    pub async fn wait_for(&mut self, count: u64, limit: Duration) -> bool {
        let started = Instant::now();
        while self.count().await < count {
            if started.elapsed() > limit {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }
}
