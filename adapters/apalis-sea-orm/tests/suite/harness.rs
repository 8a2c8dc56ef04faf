//! A fresh database on each engine, and jobs to put in.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use apalis_sea_orm::{
    Claimed, Failure, NewJob, Options, Outcome, Queue, Settled, Settlement, enqueue_all,
    entity::{attempt, job},
    migration, settle,
};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, Statement};
use sea_orm_migration::SchemaManager;
use uuid::Uuid;

pub(crate) use crate::engines::{Engine, Place};

pub(crate) struct Db {
    pub(crate) engine: Engine,
    pub(crate) place: Place,
    pub(crate) write: DatabaseConnection,
    pub(crate) read: DatabaseConnection,
    /// Every statement sent since the schema stood.
    pub(crate) sent: Arc<Mutex<Vec<Statement>>>,
    _directory: Option<tempfile::TempDir>,
}

/// A fresh database on every engine there is.
pub(crate) async fn each() -> Vec<Db> {
    let mut all = vec![sqlite().await];
    for engine in [Engine::MySql, Engine::MariaDb] {
        if let Some(url) = engine.server() {
            all.push(Db::at(Place::create(engine, url).await, None).await);
        }
    }
    for db in &all {
        migration::up(&SchemaManager::new(&db.write)).await.unwrap();
        db.sent.lock().unwrap().clear();
    }
    all
}

async fn sqlite() -> Db {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/jobs.db?mode=rwc", directory.path().display());
    Db::at(Place { engine: Engine::Sqlite, url, database: None }, Some(directory)).await
}

impl Db {
    pub(crate) async fn at(place: Place, directory: Option<tempfile::TempDir>) -> Self {
        let (write, read) = place.connect(None).await;
        Self::of(place, write, read, directory)
    }

    pub(crate) fn of(
        place: Place,
        mut write: DatabaseConnection,
        mut read: DatabaseConnection,
        directory: Option<tempfile::TempDir>,
    ) -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        for pool in [&mut write, &mut read] {
            let sent = Arc::clone(&sent);
            pool.set_metric_callback(move |info| sent.lock().unwrap().push(info.statement.clone()));
        }
        Self { engine: place.engine, place, write, read, sent, _directory: directory }
    }

    pub(crate) fn queue(&self, worker: &str) -> Queue {
        self.queue_with(options(worker))
    }

    pub(crate) fn queue_with(&self, options: Options) -> Queue {
        Queue::new(self.write.clone(), self.read.clone(), options)
    }

    pub(crate) async fn put(&self, jobs: Vec<NewJob>) {
        enqueue_all(&self.write, jobs).await.unwrap();
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

/// A worker of one queue, `mail`.
pub(crate) fn options(worker: &str) -> Options {
    Options { clock: Arc::new(noon), ids: Arc::new(new_id), ..Options::new(worker, ["mail"]) }
}

/// A job of that queue, due now.
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

/// A clock that stands at noon until it is moved.
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

/// Now, for the tests whose time does not pass.
pub(crate) fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn after(time: Timestamp, milliseconds: u64) -> Timestamp {
    time + Duration::from_millis(milliseconds)
}

pub(crate) fn settlement(job: &Claimed, outcome: Outcome) -> Settlement {
    Settlement {
        attempt_id: new_id(),
        job: job.id,
        fence: job.fence,
        worker: "ann".to_owned(),
        number: job.number,
        started_at: job.started_at,
        finished_at: after(job.started_at, 1_500),
        outcome,
        error: None,
    }
}

pub(crate) fn failure(code: &str) -> Failure {
    Failure { code: code.to_owned(), message: format!("it said {code}"), request_id: None }
}

pub(crate) fn ids(jobs: &[NewJob]) -> Vec<Uuid> {
    jobs.iter().map(|job| job.id).collect()
}

/// Claims one job and settles it so.
pub(crate) async fn settle_one(db: &Db, outcome: Outcome, error: Option<&str>) -> Claimed {
    let job = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
    let settlement = Settlement { error: error.map(failure), ..settlement(&job, outcome) };
    assert_eq!(settle(&db.write, &[settlement]).await.unwrap(), Settled::All);
    job
}

pub(crate) async fn is(db: &Db, id: Uuid, state: &str) {
    until(state, || async { db.state(id).await == state }).await;
}

/// Waits until it is so, and fails if it never is.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Starts `$handler` as a worker of `$backend`, with data; answers its context and its end.
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
