//! A database that goes away and comes back stops work, never the worker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use apalis_core::{
    task::data::Data,
    worker::{builder::WorkerBuilder, context::WorkerContext},
};
use apalis_sea_orm::{Claimed, Lease, Options, QueueBackend, entity, migration};
use sea_orm::{EntityTrait, TransactionTrait, sea_query::Expr};
use sea_orm_migration::SchemaManager;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
};

use crate::harness::{Db, Engine, Place, each, is, job, options, start, until};

/// Stands between a pool and its server, and can be cut.
struct Wire {
    port: u16,
    whole: watch::Sender<bool>,
}

impl Wire {
    async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (whole, watch) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut watch = watch.clone();
                if !*watch.borrow() {
                    continue;
                }
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
                    tokio::select! {
                        _ = watch.wait_for(|whole| !whole) => {}
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        Self { port, whole }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_outlives_an_outage_and_its_job_is_performed_once() {
    struct Probe {
        tries: AtomicUsize,
        begun: mpsc::UnboundedSender<Lease>,
        finish: Semaphore,
    }
    async fn perform(job: Claimed, probe: Data<Arc<Probe>>) {
        probe.tries.fetch_add(1, Ordering::SeqCst);
        probe.begun.send(job.lease).unwrap();
        probe.finish.acquire().await.unwrap().forget();
    }
    for engine in [Engine::MySql, Engine::MariaDb] {
        let Some(url) = engine.server() else { continue };
        let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next());
        let wire = Wire::to(port.unwrap().parse().unwrap()).await;
        let place = Place::create(engine, url).await;
        let (write, read) = place.connect(Some(wire.port)).await;
        let db = Db::of(place, write, read, None);
        migration::up(&SchemaManager::new(&db.write)).await.unwrap();
        let lease = Duration::from_secs(2);
        let short = Options { lease, heartbeat: Duration::from_millis(200), ..options("ann") };
        let queue = db.queue_with(short);
        let (begun, mut leases) = mpsc::unbounded_channel();
        let tries = AtomicUsize::new(0);
        let probe = Arc::new(Probe { tries, begun, finish: Semaphore::new(0) });
        let context = WorkerContext::new("worker");
        let worker = WorkerBuilder::new(&context).backend(QueueBackend::new(queue));
        let end = tokio::spawn(worker.data(probe.clone()).build(perform).run());

        let (first, second) = (job(), job());
        db.put(vec![first.clone()]).await;
        let lease = leases.recv().await.unwrap();
        wire.whole.send_replace(false);
        // The job outlasts its lease while the database is away, and ends before it is back.
        until("the lease is over", || async { !lease.held() }).await;
        probe.finish.add_permits(1);
        wire.whole.send_replace(true);
        until("its result is written", || async { db.state(first.id).await == "done" }).await;
        assert_eq!(probe.tries.load(Ordering::SeqCst), 1, "{engine:?}");

        db.put(vec![second.clone()]).await;
        probe.finish.add_permits(1);
        until("work goes on", || async { db.state(second.id).await == "done" }).await;
        context.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

/// SQLite's outage: someone else writes for longer than a writer is ready to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_outlives_a_file_that_is_locked_for_long() {
    type Talk = Arc<(mpsc::UnboundedSender<()>, Semaphore)>;
    async fn perform(_: Claimed, talk: Data<Talk>) {
        let (begun, may_end) = &**talk;
        begun.send(()).unwrap();
        may_end.acquire().await.unwrap().forget();
    }
    let db = each().await.remove(0);
    let lease = Duration::from_secs(30);
    let queue = db.queue_with(Options { lease, ..options("ann") });
    let (sender, mut begun) = mpsc::unbounded_channel::<()>();
    let talk: Talk = Arc::new((sender, Semaphore::new(0)));
    let (worker, end) = start!(QueueBackend::new(queue), talk.clone(), perform);
    let (first, second) = (job(), job());
    db.put(vec![first.clone()]).await;
    begun.recv().await.unwrap();
    // Before its result can be written, and longer than these connections wait.
    let (other, _) = db.place.connect(None).await;
    let writer = other.begin().await.unwrap();
    let changed = entity::job::Entity::update_many()
        .col_expr(entity::job::Column::MaxAttempts, Expr::value(9))
        .exec(&writer)
        .await;
    changed.unwrap();
    talk.1.add_permits(2);
    tokio::time::sleep(Duration::from_secs(6)).await;
    writer.commit().await.unwrap();
    is(&db, first.id, "done").await;
    db.put(vec![second.clone()]).await;
    is(&db, second.id, "done").await;
    assert_eq!(db.job(first.id).await.fence, 1);
    worker.stop().unwrap();
    end.await.unwrap().unwrap();
}
