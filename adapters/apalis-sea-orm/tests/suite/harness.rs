//! A new database on each engine, and jobs to enqueue.

use std::{
    fmt::Debug,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use apalis_core::worker::context::WorkerContext;
use apalis_sea_orm::{
    AttemptError, AttemptOutcome, AttemptResult, ClaimedJob, JobQueue, NewJob, Options, Rate,
    Settled, enqueue_all,
    entity::{attempt, job},
    migration, settle,
};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, Statement,
    TransactionTrait,
};
use sea_orm_migration::SchemaManager;
use tokio::task::JoinHandle;
use uuid::Uuid;

mod engines;

pub(crate) use self::engines::{DatabaseLocation, Engine};

pub(crate) struct TestDb {
    pub(crate) engine: Engine,
    pub(crate) location: DatabaseLocation,
    pub(crate) write: DatabaseConnection,
    pub(crate) read: DatabaseConnection,
    /// Every statement sent since the tables were created.
    pub(crate) statements: Arc<Mutex<Vec<Statement>>>,
    _directory: Option<tempfile::TempDir>,
}

/// Creates a database on every available engine.
pub(crate) async fn each() -> Vec<TestDb> {
    let mut all = vec![sqlite().await];
    for engine in [Engine::MySql, Engine::MariaDb] {
        if let Some(url) = engine.server() {
            all.push(TestDb::at(DatabaseLocation::create(engine, url).await, None).await);
        }
    }
    for db in &all {
        migration::up(&SchemaManager::new(&db.write)).await.unwrap();
        db.statements.lock().unwrap().clear();
    }
    all
}

async fn sqlite() -> TestDb {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/jobs.db?mode=rwc", directory.path().display());
    TestDb::at(DatabaseLocation { engine: Engine::Sqlite, url, database: None }, Some(directory))
        .await
}

impl TestDb {
    pub(crate) async fn at(
        location: DatabaseLocation,
        directory: Option<tempfile::TempDir>,
    ) -> Self {
        let (write, read) = location.connect(None).await;
        Self::of(location, write, read, directory)
    }

    pub(crate) fn of(
        location: DatabaseLocation,
        mut write: DatabaseConnection,
        mut read: DatabaseConnection,
        directory: Option<tempfile::TempDir>,
    ) -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        for pool in [&mut write, &mut read] {
            let sent = Arc::clone(&sent);
            pool.set_metric_callback(move |info| sent.lock().unwrap().push(info.statement.clone()));
        }
        Self {
            engine: location.engine,
            location,
            write,
            read,
            statements: sent,
            _directory: directory,
        }
    }

    pub(crate) fn queue(&self, worker: &str) -> JobQueue {
        self.queue_with(options(worker))
    }

    pub(crate) fn queue_with(&self, options: Options) -> JobQueue {
        JobQueue::new(self.write.clone(), self.read.clone(), options)
    }

    pub(crate) async fn enqueue(&self, jobs: Vec<NewJob>) {
        enqueue_all(&self.write, jobs).await.unwrap();
    }

    /// Writes results whose leases must all be current.
    pub(crate) async fn settle(&self, results: &[AttemptResult]) {
        assert_eq!(settle(&self.write, results).await.unwrap(), Settled::All);
    }

    pub(crate) async fn job(&self, id: Uuid) -> job::Model {
        job::Entity::find_by_id(id).one(&self.write).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, id: Uuid) -> String {
        self.job(id).await.state
    }

    pub(crate) async fn attempts(&self, id: Uuid) -> Vec<attempt::Model> {
        attempt::Entity::find()
            .filter(attempt::Column::JobId.eq(id))
            .order_by_asc(attempt::Column::Fence)
            .all(&self.write)
            .await
            .unwrap()
    }
}

/// Options of a worker of the queue `mail`.
pub(crate) fn options(worker: &str) -> Options {
    Options { clock: Arc::new(noon), ids: Arc::new(new_id), ..Options::new(worker, ["mail"]) }
}

/// A job of the queue `mail` that is due.
pub(crate) fn job() -> NewJob {
    NewJob {
        id: new_id(),
        queue: "mail".to_owned(),
        kind: "send".to_owned(),
        args: serde_json::json!({ "to": "ada" }),
        priority: 0,
        run_at: noon(),
        max_attempts: 3,
        unique_key: None,
        created_at: noon(),
    }
}

pub(crate) fn jobs(count: usize) -> Vec<NewJob> {
    (0..count).map(|_| job()).collect()
}

pub(crate) fn new_id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128(NEXT.fetch_add(1, Ordering::Relaxed).into())
}

/// A clock that shows noon until it is advanced.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Mutex<Timestamp>>);

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(noon())))
    }
}

impl Clock {
    pub(crate) fn advance(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }

    pub(crate) fn source(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || *clock.0.lock().unwrap())
    }
}

/// The current time of tests without a clock.
pub(crate) fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn after(time: Timestamp, milliseconds: u64) -> Timestamp {
    time + Duration::from_millis(milliseconds)
}

pub(crate) fn attempt_result(job: &ClaimedJob, outcome: AttemptOutcome) -> AttemptResult {
    AttemptResult {
        attempt_id: new_id(),
        job: job.id,
        queue: job.queue.clone(),
        run_at: job.run_at,
        fence: job.fence,
        worker: "ann".to_owned(),
        number: job.number,
        started_at: job.started_at,
        finished_at: after(job.started_at, 1_500),
        outcome,
        error: None,
    }
}

pub(crate) fn attempt_error(code: &str) -> AttemptError {
    AttemptError { code: code.to_owned(), message: format!("message for {code}"), request_id: None }
}

/// Settles a job as done, as a handler does that tries again until the database has accepted it.
pub(crate) async fn settle_as_done(queue: &JobQueue, db: &DatabaseConnection, job: &ClaimedJob) {
    let worker = queue.options().worker.clone();
    let done = AttemptResult { worker, ..attempt_result(job, AttemptOutcome::Done) };
    let write = async || {
        let transaction = db.begin().await?;
        let settled = settle(&transaction, std::slice::from_ref(&done)).await?;
        transaction.commit().await?;
        Ok::<_, DbErr>(settled)
    };
    wait_until("the result is written", || async { write().await.is_ok() }).await;
}

/// Claims one job and settles it with this outcome.
pub(crate) async fn settle_one(
    db: &TestDb,
    outcome: AttemptOutcome,
    error: Option<&str>,
) -> ClaimedJob {
    let job = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
    let result = AttemptResult { error: error.map(attempt_error), ..attempt_result(&job, outcome) };
    db.settle(&[result]).await;
    job
}

pub(crate) async fn wait_for_state(db: &TestDb, id: Uuid, state: &str) {
    wait_until(state, || async { db.state(id).await == state }).await;
}

/// Waits until the condition is true, and fails after 30 seconds.
pub(crate) async fn wait_until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < Duration::from_secs(30), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn rated(db: &TestDb, worker: &str, per_second: f64) -> JobQueue {
    let rate = Rate { name: "provider".to_owned(), queues: vec!["mail".to_owned()], per_second };
    let queues = vec!["mail".to_owned(), "logins".to_owned()];
    db.queue_with(Options { rate: Some(rate), queues, concurrency: 50, ..options(worker) })
}

/// Returns the most of `times` in any second.
pub(crate) fn most_in_a_second(times: &[Instant]) -> usize {
    let after = |from: &Instant| {
        times.iter().filter(|at| *at >= from && **at - *from < Duration::from_secs(1)).count()
    };
    times.iter().map(after).max().unwrap_or(0)
}

/// Stops a worker, which must end without an error.
pub(crate) async fn stop<E: Debug>(worker: WorkerContext, end: JoinHandle<Result<(), E>>) {
    worker.stop().unwrap();
    end.await.unwrap().unwrap();
}

/// Starts `$handler` as a worker of `$backend`, with data. Returns its context and its task.
macro_rules! start {
    ($backend:expr, $data:expr, $handler:expr) => {{
        let context = apalis_core::worker::context::WorkerContext::new("worker");
        let worker = apalis_core::worker::builder::WorkerBuilder::new(&context)
            .backend($backend)
            .data($data)
            .build($handler);
        (context, tokio::spawn(worker.run()))
    }};
}
pub(crate) use start;
