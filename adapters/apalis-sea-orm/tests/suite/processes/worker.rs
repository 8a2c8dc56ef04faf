//! A worker in a process of its own: this very program, told by its environment to be one.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use apalis_core::task::data::Data;
use apalis_sea_orm::{Claimed, Options, Queue, QueueBackend, Rate};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::harness::{Engine, Place, start, until};

const ORDERS: &str = "APALIS_SEA_ORM_TEST_WORKER";

/// What a worker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) queues: Vec<String>,
    pub(super) concurrency: usize,
    pub(super) lease: Duration,
    /// Of the jobs of `mail`, whose handler dawdles and waits for its start by itself.
    pub(super) rate: Option<f64>,
    /// Where it writes each job down that it performs, outside of any database.
    pub(super) diary: PathBuf,
}

/// A line of the diary.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) job: Uuid,
    pub(super) at: Timestamp,
    pub(super) what: String,
}

/// Kind of the jobs that are performed until the diary's neighbour `go` is there.
pub(super) const LINGER: &str = "linger";

/// A running one.
pub(super) struct Worker {
    process: Child,
    pub(super) orders: Orders,
}

impl Orders {
    /// Starts a process that waits for [`Worker::go`].
    pub(super) async fn start(self) -> Worker {
        let path = "processes::worker::a_process_of_its_own_does_as_it_is_told";
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", path])
            .env(ORDERS, serde_json::to_string(&self).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(beside(&self.diary, "said")).unwrap())
            .spawn()
            .unwrap();
        let worker = Worker { process, orders: self };
        until("the process is ready", || async { worker.orders.diary.exists() }).await;
        worker
    }

    #[expect(clippy::disallowed_methods, reason = "it has no other way to be told")]
    fn given() -> Option<Self> {
        let orders = std::env::var(ORDERS).ok()?;
        Some(serde_json::from_str(&orders).unwrap())
    }
}

impl Worker {
    pub(super) fn go(&mut self) {
        self.process.stdin.as_mut().unwrap().write_all(b"go").unwrap();
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Has it stop itself at such a moment; returns when all its threads stand still.
    pub(super) async fn stand_still(&self, moment: Moment) {
        fs::write(beside(&self.orders.diary, "moment"), moment.name()).unwrap();
        let stopped = || {
            let mut threads = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
            threads.all(|thread| {
                let told = fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
                told.rsplit(')').next().is_some_and(|told| told.starts_with(" T"))
            })
        };
        until("it stands still", || async { stopped() }).await;
    }

    pub(super) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// What it performed until now.
    pub(super) fn diary(&self) -> Vec<Entry> {
        let diary = fs::read_to_string(&self.orders.diary).unwrap();
        let whole = diary.rfind('\n').map_or("", |end| &diary[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What it logged, of warnings and errors.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(beside(&self.orders.diary, "said")).unwrap()
    }

    /// Lets it stop, which must succeed.
    pub(super) fn stop(mut self) -> String {
        drop(self.process.stdin.take());
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{}", self.said());
        self.said()
    }
}

/// When a process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// While none of its connections is in use: it holds no lock of the database.
    Between,
    /// Within a transaction that has written.
    Writing,
}

impl Moment {
    fn name(self) -> &'static str {
        match self {
            Moment::Between => "between",
            Moment::Writing => "writing",
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) fn beside(diary: &Path, name: &str) -> PathBuf {
    diary.with_extension(name)
}

/// Unless this is such a process, nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_its_own_does_as_it_is_told() {
    if let Some(orders) = Orders::given() {
        follow(orders).await;
    }
}

type Diary = Data<Arc<(PathBuf, Mutex<File>, Queue)>>;

async fn follow(orders: Orders) {
    tracing_subscriber::fmt()
        .with_env_filter("apalis_sea_orm=warn")
        .with_writer(std::io::stderr)
        .init();
    let (write, read) = orders.place.connect(None).await;
    let options = Options {
        concurrency: orders.concurrency,
        lease: orders.lease,
        heartbeat: orders.lease / 4,
        rate: orders.rate.map(|per_second| Rate {
            name: "mail".to_owned(),
            queues: vec!["mail".to_owned()],
            per_second,
        }),
        ..Options::new(orders.name, orders.queues)
    };
    let queue = Queue::new(write.clone(), read, options);
    tokio::spawn(stop_when_told(orders.place.engine, write, orders.diary.clone()));
    let diary = OpenOptions::new().create(true).append(true).open(&orders.diary).unwrap();
    let (go, stop) = commands();
    go.await.unwrap();
    let diary = Arc::new((orders.diary, Mutex::new(diary), queue.clone()));
    let backend = QueueBackend::new(queue).leave_pacing();
    let (worker, end) = start!(backend, diary, perform);
    stop.await.unwrap();
    worker.stop().unwrap();
    end.await.unwrap().unwrap();
}

/// Stops this process once, when it is told to.
async fn stop_when_told(engine: Engine, write: DatabaseConnection, diary: PathBuf) {
    let moment = beside(&diary, "moment");
    while !moment.exists() {
        // Seldom, for another test counts what an idle process costs.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if fs::read_to_string(&moment).unwrap() == Moment::Writing.name() {
        let transaction = write.begin().await.unwrap();
        transaction.execute_unprepared("UPDATE jobs SET priority = priority").await.unwrap();
        stop_self();
        transaction.commit().await.unwrap();
    } else if engine == Engine::Sqlite {
        let pool = write.get_sqlite_connection_pool();
        let _unused = all(pool.options().get_max_connections(), || pool.acquire()).await;
        stop_self();
    } else {
        let pool = write.get_mysql_connection_pool();
        let _unused = all(pool.options().get_max_connections(), || pool.acquire()).await;
        stop_self();
    }
    fs::remove_file(moment).unwrap();
}

/// All connections of a pool, so that nothing else in this process has one.
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

/// Returns when this process was told to go on.
fn stop_self() {
    let stop = format!("kill -STOP {}", std::process::id());
    assert!(Command::new("sh").args(["-c", &stop]).status().unwrap().success());
}

/// The word to go, and the end of all words.
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

async fn perform(job: Claimed, diary: Diary) {
    let (path, file, queue) = &**diary;
    if job.start_at().is_some() {
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..=60))).await;
        assert!(queue.begin(&job).await, "no start was to be had");
    }
    let write = |what: &str| {
        let entry = Entry { job: job.id, at: now(), what: what.to_owned() };
        let line = serde_json::to_string(&entry).unwrap() + "\n";
        file.lock().unwrap().write_all(line.as_bytes()).unwrap();
    };
    write("begun");
    if job.kind == LINGER {
        while !beside(path, "go").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        write(if job.lease.held() { "acted" } else { "refrained" });
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "no clock but the system's is known to all processes"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
