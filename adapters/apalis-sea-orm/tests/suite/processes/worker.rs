//! A worker in a child process: this test program, configured by its environment.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use apalis_core::{error::BoxDynError, task::data::Data};
use apalis_sea_orm::{AttemptOutcome, ClaimedJob, Handled, JobQueue, Options, QueueBackend, Rate};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use serde::{Deserialize, Serialize};
use tokio::{
    net::UdpSocket,
    sync::{Semaphore, oneshot},
};
use uuid::Uuid;

use crate::harness::{DatabaseLocation, Engine, settle_as_done, start, stop, wait_until};

const CONFIG_VARIABLE: &str = "APALIS_SEA_ORM_TEST_WORKER";

/// Configuration of a child process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WorkerConfig {
    pub(super) name: String,
    pub(super) location: DatabaseLocation,
    pub(super) queues: Vec<String>,
    pub(super) concurrency: usize,
    pub(super) lease: Duration,
    /// The rate of jobs in `mail`, whose handler prepares and then waits for its start.
    pub(super) rate: Option<f64>,
    pub(super) poll: Duration,
    /// Whether other processes can wake it.
    pub(super) is_wakeable: bool,
    /// File to which it appends each call of its handler.
    pub(super) call_log: PathBuf,
}

/// A line of the call log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) job: Uuid,
    pub(super) at: Timestamp,
    pub(super) action: String,
}

/// Kind of the jobs that run until the file `go` exists.
pub(super) const WAIT_KIND: &str = "wait";

/// A running child process.
pub(super) struct Worker {
    process: Child,
    pub(super) config: WorkerConfig,
}

impl WorkerConfig {
    /// Starts a process that waits for [`Worker::go`].
    pub(super) async fn start(self) -> Worker {
        let path = "processes::worker::child_process";
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", path])
            .env(CONFIG_VARIABLE, serde_json::to_string(&self).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(sibling(&self.call_log, "stderr")).unwrap())
            .spawn()
            .unwrap();
        let worker = Worker { process, config: self };
        wait_until("the process is ready", || async { worker.config.call_log.exists() }).await;
        worker
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a child process is configured by its environment"
    )]
    fn from_environment() -> Option<Self> {
        let config = std::env::var(CONFIG_VARIABLE).ok()?;
        Some(serde_json::from_str(&config).unwrap())
    }
}

impl Worker {
    pub(super) fn go(&mut self) {
        self.process.stdin.as_mut().unwrap().write_all(b"go").unwrap();
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Stops the process with SIGSTOP at the given point; returns when all its threads are stopped.
    pub(super) async fn freeze(&self, freeze_point: FreezePoint) {
        // Renamed, so that the process never reads an empty file.
        let request = sibling(&self.config.call_log, "request");
        fs::write(&request, freeze_point.name()).unwrap();
        fs::rename(request, sibling(&self.config.call_log, "freeze_point")).unwrap();
        let reached = sibling(&self.config.call_log, "reached");
        wait_until("the process reaches the point", async || reached.exists()).await;
        self.signal("STOP");
        let stopped = || {
            let mut threads = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
            threads.all(|thread| {
                let stat = fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
                stat.rsplit(')').next().is_some_and(|stat| stat.starts_with(" T"))
            })
        };
        wait_until("the process is stopped", || async { stopped() }).await;
    }

    pub(super) fn resume(&self) {
        fs::remove_file(sibling(&self.config.call_log, "reached")).unwrap();
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// The calls so far.
    pub(super) fn call_log(&self) -> Vec<Entry> {
        let call_log = fs::read_to_string(&self.config.call_log).unwrap();
        let is_open = call_log.rfind('\n').map_or("", |end| &call_log[..end]);
        is_open.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Its log of warnings and errors.
    pub(super) fn stderr(&self) -> String {
        fs::read_to_string(sibling(&self.config.call_log, "stderr")).unwrap()
    }

    /// Stops the process, and returns its log.
    pub(super) fn stop(mut self) -> String {
        drop(self.process.stdin.take());
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{}", self.stderr());
        self.stderr()
    }
}

/// When a process is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FreezePoint {
    /// While none of its connections is in use, so it holds no lock.
    Between,
    /// Within a transaction that has written.
    Writing,
}

impl FreezePoint {
    fn name(self) -> &'static str {
        match self {
            FreezePoint::Between => "between",
            FreezePoint::Writing => "writing",
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have exited.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) fn sibling(call_log: &Path, name: &str) -> PathBuf {
    call_log.with_extension(name)
}

/// Does nothing unless the environment makes this process a child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_process() {
    if let Some(config) = WorkerConfig::from_environment() {
        run_worker(config).await;
    }
}

type CallLog = Data<Arc<(PathBuf, Mutex<File>, JobQueue, DatabaseConnection)>>;

async fn run_worker(config: WorkerConfig) {
    tracing_subscriber::fmt()
        .with_env_filter("apalis_sea_orm=warn")
        .with_writer(std::io::stderr)
        .init();
    let (write, read) = config.location.connect(None).await;
    let wake_socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        concurrency: config.concurrency,
        lease: config.lease,
        poll: config.poll,
        wake_socket: config.is_wakeable.then(|| Arc::new(wake_socket)),
        rate: config.rate.map(|per_second| Rate {
            name: "mail".to_owned(),
            queues: vec!["mail".to_owned()],
            per_second,
        }),
        ..Options::new(config.name, config.queues)
    };
    let queue = JobQueue::new(write.clone(), read, options);
    tokio::spawn(freeze_on_request(config.location.engine, write.clone(), config.call_log.clone()));
    let call_log = OpenOptions::new().create(true).append(true).open(&config.call_log).unwrap();
    let (go, stop_command) = commands();
    go.await.unwrap();
    let call_log = Arc::new((config.call_log, Mutex::new(call_log), queue.clone(), write));
    let backend = QueueBackend::new(queue);
    let (worker, end) = start!(backend, call_log, handle);
    stop_command.await.unwrap();
    stop(worker, end).await;
}

/// Brings this process to the requested point once, and keeps it there until the file `reached` is
/// removed. It does not stop itself: a process that starts another one to send the signal can lose
/// its locks on SQLite's files.
async fn freeze_on_request(engine: Engine, write: DatabaseConnection, call_log: PathBuf) {
    let (freeze_point, reached) =
        (sibling(&call_log, "freeze_point"), sibling(&call_log, "reached"));
    while !freeze_point.exists() {
        // Rarely, because another test measures the cost of an idle process.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if fs::read_to_string(&freeze_point).unwrap() == FreezePoint::Writing.name() {
        let transaction = write.begin().await.unwrap();
        transaction.execute_unprepared("UPDATE jobs SET priority = priority").await.unwrap();
        stay(&reached).await;
        transaction.commit().await.unwrap();
    } else if engine == Engine::Sqlite {
        let pool = write.get_sqlite_connection_pool();
        let _unused = all(pool.options().get_max_connections(), || pool.acquire()).await;
        stay(&reached).await;
    } else {
        let pool = write.get_mysql_connection_pool();
        let _unused = all(pool.options().get_max_connections(), || pool.acquire()).await;
        stay(&reached).await;
    }
    fs::remove_file(freeze_point).unwrap();
}

/// Acquires all connections of a pool, so that no other task uses one.
async fn all<C, F: Future<Output = sqlx::Result<C>>>(
    count: u32,
    acquire: impl Fn() -> F,
) -> Vec<C> {
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(acquire().await.unwrap());
    }
    connections
}

/// Creates the file, and waits until it is removed.
async fn stay(reached: &Path) {
    fs::write(reached, "").unwrap();
    while reached.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns when input arrives, and when it ends.
fn commands() -> (oneshot::Receiver<()>, oneshot::Receiver<()>) {
    let ((go, gone), (stop, stopped)) = (oneshot::channel(), oneshot::channel());
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        input.read_exact(&mut [0; 2]).unwrap();
        go.send(()).unwrap();
        let _ = input.read_to_end(&mut Vec::new());
        stop.send(()).unwrap();
    });
    (gone, stopped)
}

/// Leaves connections for claims, which otherwise wait for the results of all slots.
static SETTLING: Semaphore = Semaphore::const_new(2);

async fn handle(job: ClaimedJob, call_log: CallLog) -> Result<Handled, BoxDynError> {
    let (path, file, queue, db) = &**call_log;
    if queue.options().rate.is_some() {
        static PREPARED: AtomicU64 = AtomicU64::new(0);
        let spread = PREPARED.fetch_add(37, Ordering::Relaxed) % 61;
        tokio::time::sleep(Duration::from_millis(spread)).await;
        assert!(queue.wait_for_start(&job).await, "no start is available");
    }
    let write = |action: &str| {
        let entry = Entry { job: job.id, at: now(), action: action.to_owned() };
        let line = serde_json::to_string(&entry).unwrap() + "\n";
        file.lock().unwrap().write_all(line.as_bytes()).unwrap();
    };
    write("started");
    if job.kind == WAIT_KIND {
        while !sibling(path, "go").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        write(if job.lease.is_valid() { "acted" } else { "refrained" });
        return Ok(AttemptOutcome::Done.into());
    }
    let _permit = SETTLING.acquire().await.unwrap();
    settle_as_done(queue, db, &job).await;
    Ok(Handled::Settled)
}

#[expect(clippy::disallowed_methods, reason = "all processes share only the system clock")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
