//! A database outage interrupts work and ends no worker.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use apalis_core::{
    error::BoxDynError,
    task::data::Data,
    worker::{builder::WorkerBuilder, context::WorkerContext},
};
use apalis_sea_orm::{
    ClaimedJob, Handled, JobLease, JobQueue, Options, QueueBackend, entity, migration,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryResult, Statement,
    TransactionTrait, sea_query::Expr,
};
use sea_orm_migration::SchemaManager;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
};

use crate::harness::{
    DatabaseLocation, Engine, TestDb, each, job, options, settle_as_done, start, stop,
    wait_for_state, wait_until,
};

/// A TCP proxy between a pool and its server that can be interrupted.
struct NetworkProxy {
    port: u16,
    is_open: watch::Sender<bool>,
}

impl NetworkProxy {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_open, watch) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut watch = watch.clone();
                if !*watch.borrow() {
                    continue;
                }
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
                    tokio::select! {
                        _ = watch.wait_for(|is_open| !is_open) => {}
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        Self { port, is_open }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_survives_an_outage_and_its_job_runs_once() {
    struct Probe {
        tries: AtomicUsize,
        started: mpsc::UnboundedSender<JobLease>,
        finish: Semaphore,
    }
    async fn handle(
        job: ClaimedJob,
        probe: Data<Arc<Probe>>,
        db: Data<(JobQueue, DatabaseConnection)>,
    ) -> Result<Handled, BoxDynError> {
        probe.tries.fetch_add(1, Ordering::SeqCst);
        probe.started.send(job.lease.clone()).unwrap();
        probe.finish.acquire().await.unwrap().forget();
        let (queue, write) = &*db;
        settle_as_done(queue, write, &job).await;
        Ok(Handled::Settled)
    }
    for engine in [Engine::MySql, Engine::MariaDb] {
        let Some(url) = engine.server() else { continue };
        let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next());
        let proxy = NetworkProxy::start(port.unwrap().parse().unwrap()).await;
        let location = DatabaseLocation::create(engine, url).await;
        let (write, read) = location.connect(Some(proxy.port)).await;
        let db = TestDb::of(location, write, read, None);
        migration::up(&SchemaManager::new(&db.write)).await.unwrap();
        let lease = Duration::from_secs(2);
        let short = Options { lease, ..options("ann") };
        let queue = db.queue_with(short);
        let (started, mut leases) = mpsc::unbounded_channel();
        let tries = AtomicUsize::new(0);
        let probe = Arc::new(Probe { tries, started, finish: Semaphore::new(0) });
        let context = WorkerContext::new("worker");
        let worker = WorkerBuilder::new(&context).backend(QueueBackend::new(queue.clone()));
        let worker = worker.data(probe.clone()).data((queue, db.write.clone()));
        let end = tokio::spawn(worker.build(handle).run());

        let (first, second) = (job(), job());
        db.enqueue(vec![first.clone()]).await;
        let lease = leases.recv().await.unwrap();
        proxy.is_open.send_replace(false);
        // The job runs for longer than its lease while the database is unavailable, and ends before
        // it is back.
        wait_until("the lease has ended", || async { !lease.is_valid() }).await;
        probe.finish.add_permits(1);
        proxy.is_open.send_replace(true);
        wait_until("the result is written", || async { db.state(first.id).await == "done" }).await;
        assert_eq!(probe.tries.load(Ordering::SeqCst), 1, "{engine:?}");

        db.enqueue(vec![second.clone()]).await;
        probe.finish.add_permits(1);
        wait_until("the worker continues", || async { db.state(second.id).await == "done" }).await;
        stop(context, end).await;
    }
}

/// SQLite's equivalent of an outage: another writer holds the lock for longer than the busy
/// timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_survives_a_file_that_is_locked_for_long() {
    type Signals = Arc<(mpsc::UnboundedSender<()>, Semaphore, JobQueue, DatabaseConnection)>;
    async fn handle(job: ClaimedJob, signals: Data<Signals>) -> Result<Handled, BoxDynError> {
        let (started, may_end, queue, write) = &**signals;
        started.send(()).unwrap();
        may_end.acquire().await.unwrap().forget();
        settle_as_done(queue, write, &job).await;
        Ok(Handled::Settled)
    }
    let db = each().await.remove(0);
    let lease = Duration::from_secs(30);
    let queue = db.queue_with(Options { lease, ..options("ann") });
    let (sender, mut started) = mpsc::unbounded_channel::<()>();
    let signals: Signals = Arc::new((sender, Semaphore::new(0), queue.clone(), db.write.clone()));
    let (worker, end) = start!(QueueBackend::new(queue), signals.clone(), handle);
    let (first, second) = (job(), job());
    db.enqueue(vec![first.clone()]).await;
    started.recv().await.unwrap();
    // Locked before the job's result can be written.
    let (other, _) = db.location.connect(None).await;
    let writer = other.begin().await.unwrap();
    let changed = entity::job::Entity::update_many()
        .col_expr(entity::job::Column::MaxAttempts, Expr::value(9))
        .exec(&writer)
        .await;
    changed.unwrap();
    signals.1.add_permits(2);
    // For longer than the busy timeout, which is five seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    writer.commit().await.unwrap();
    wait_for_state(&db, first.id, "done").await;
    db.enqueue(vec![second.clone()]).await;
    wait_for_state(&db, second.id, "done").await;
    assert_eq!(db.job(first.id).await.fence, 1);
    stop(worker, end).await;
}

/// The statement that writes the result fails because of a lock, an interruption or a lost
/// connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_was_not_written_is_written_again_without_another_run() {
    async fn handle(_: ClaimedJob, probe: Data<Arc<(AtomicUsize, Semaphore)>>) {
        let (runs, may_end) = &**probe;
        runs.fetch_add(1, Ordering::SeqCst);
        may_end.acquire().await.unwrap().forget();
    }
    for db in each().await {
        let kills = if db.engine == Engine::Sqlite { vec![""] } else { vec!["KILL QUERY", "KILL"] };
        for kill in kills {
            let lease = Duration::from_secs(30);
            let queue = db.queue_with(Options { lease, ..options("ann") });
            let probe = Arc::new((AtomicUsize::new(0), Semaphore::new(0)));
            let (worker, end) = start!(QueueBackend::new(queue), probe.clone(), handle);
            let job = job();
            db.enqueue(vec![job.clone()]).await;
            wait_until("a run", || async { probe.0.load(Ordering::SeqCst) == 1 }).await;

            let (other, _) = db.location.connect(None).await;
            let lock = other.begin().await.unwrap();
            let update = entity::job::Entity::update_many()
                .col_expr(entity::job::Column::MaxAttempts, Expr::value(9));
            update.exec(&lock).await.unwrap();
            db.statements.lock().unwrap().clear();
            probe.1.add_permits(2);
            if !kill.is_empty() {
                kill_settling_statement(&other, kill).await;
            }
            // On SQLite, it fails after the busy timeout.
            let has_failed = || async {
                db.statements.lock().unwrap().iter().any(|s| s.sql.contains("last_error_code"))
            };
            wait_until("the statement has failed", has_failed).await;
            lock.commit().await.unwrap();

            wait_until("a result", || async { db.state(job.id).await != "running" }).await;
            let row = db.job(job.id).await;
            assert_eq!((row.state.as_str(), row.fence), ("done", 1), "{:?} {kill}", db.engine);
            assert!(db.attempts(job.id).await.is_empty(), "{:?} {kill}", db.engine);
            stop(worker, end).await;
        }
    }
}

async fn kill_settling_statement(operator: &DatabaseConnection, kill: &str) {
    // The first 100 characters of each statement. MySQL cannot convert the bytes of ids after them.
    let list = Statement::from_string(DbBackend::MySql, "SHOW PROCESSLIST");
    let own = Statement::from_string(DbBackend::MySql, "SELECT DATABASE()");
    let own = operator.query_one_raw(own).await.unwrap().unwrap();
    let own: Option<String> = own.try_get_by_index(0).unwrap();
    let found = Mutex::new(None);
    wait_until("the statement that settles", || async {
        let rows = operator.query_all_raw(list.clone()).await.unwrap();
        let settles = |row: &QueryResult| {
            let text = |column| row.try_get::<Option<String>>("", column).unwrap();
            let info = text("Info").unwrap_or_default();
            text("db") == own && info.starts_with("UPDATE `jobs` SET `locked_by` = ")
        };
        let id = rows.into_iter().find(settles).map(|row| row.try_get::<i64>("", "Id").unwrap());
        *found.lock().unwrap() = id;
        id.is_some()
    })
    .await;
    let id = found.into_inner().unwrap().unwrap();
    operator.execute_unprepared(&format!("{kill} {id}")).await.unwrap();
}
