//! Workers that drain, pause, stop or are cut off.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis_core::{task::data::Data, worker::context::WorkerContext};
use apalis_sea_orm::{Claimed, NewJob, Options, QueueBackend};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::harness::{Db, each, is, job, jobs, noon, options, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_longer_than_its_lease_is_performed_once() {
    async fn perform(job: Claimed, tries: Data<Arc<AtomicUsize>>) {
        tries.fetch_add(1, Ordering::SeqCst);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(2_500) {
            assert!(job.lease.held(), "lost after {:?}", begun.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for db in each().await {
        let short = |worker| Options {
            lease: Duration::from_secs(1),
            heartbeat: Duration::from_millis(100),
            ..options(worker)
        };
        let tries = Arc::new(AtomicUsize::new(0));
        let start = |worker| {
            start!(QueueBackend::new(db.queue_with(short(worker))), tries.clone(), perform)
        };
        let workers = [start("ann"), start("bob")];
        let job = job();
        db.put(vec![job.clone()]).await;
        until("it is begun", || async { tries.load(Ordering::SeqCst) > 0 }).await;
        // It outlives its lease even while its worker drains before a stop.
        for (worker, _) in &workers {
            worker.stop().unwrap();
        }
        let other = db.queue("cat");
        until("it is done", || async {
            assert!(other.rescue(noon()).await.unwrap().is_empty());
            db.state(job.id).await == "done"
        })
        .await;
        for (_, end) in workers {
            end.await.unwrap().unwrap();
        }
        assert_eq!(tries.load(Ordering::SeqCst), 1, "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_worker_finishes_what_it_began_and_gives_the_rest_back() {
    /// Blocks the worker's own task, so that the other jobs stay claimed and not begun.
    async fn perform(_: Claimed, worker: WorkerContext, at: Data<(Arc<Db>, Uuid)>) {
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let (db, last) = &*at;
                until("all are claimed", || async { db.state(*last).await == "running" }).await;
            });
        });
        worker.stop().unwrap();
    }
    for db in each().await {
        let db = Arc::new(db);
        let three = jobs(3);
        db.put(three.clone()).await;
        let (_, end) =
            start!(QueueBackend::new(db.queue("ann")), (db.clone(), three[2].id), perform);
        end.await.unwrap().unwrap();
        let mut rows = Vec::new();
        for job in &three {
            let row = db.job(job.id).await;
            rows.push((row.state, row.attempts));
        }
        let told: Vec<_> = rows.iter().map(|(state, n)| (state.as_str(), *n)).collect();
        assert_eq!(told, [("done", 1), ("ready", 0), ("ready", 0)], "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_worker_begins_nothing_until_it_resumes() {
    async fn perform(_: Claimed) {}
    for db in each().await {
        let queue = db.queue_with(Options { poll: Duration::from_millis(20), ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue.clone()), (), perform);
        until("it runs", || async { worker.is_running() }).await;
        worker.pause().unwrap();
        let job = job();
        db.put(vec![job.clone()]).await;
        queue.options().waker.wake();
        // Another worker sees the job within this time.
        let other = db.queue_with(Options { queues: vec!["other".to_owned()], ..options("bob") });
        let witness = NewJob { queue: "other".to_owned(), ..crate::harness::job() };
        let (second, second_end) = start!(QueueBackend::new(other), (), perform);
        db.put(vec![witness.clone()]).await;
        is(&db, witness.id, "done").await;
        assert_eq!(db.state(job.id).await, "ready", "{:?}", db.engine);
        worker.resume().unwrap();
        is(&db, job.id, "done").await;
        for worker in [worker, second] {
            worker.stop().unwrap();
        }
        end.await.unwrap().unwrap();
        second_end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_cut_off_with_its_worker_is_given_back_uncharged() {
    async fn perform(_: Claimed, begun: Data<Arc<Semaphore>>) {
        begun.add_permits(1);
        std::future::pending::<()>().await;
    }
    for db in each().await {
        let begun = Arc::new(Semaphore::new(0));
        let (_, end) = start!(QueueBackend::new(db.queue("ann")), begun.clone(), perform);
        let job = job();
        db.put(vec![job.clone()]).await;
        begun.acquire().await.unwrap().forget();
        end.abort();
        is(&db, job.id, "ready").await;
        let again = db.queue("bob").claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!((again.number, again.fence), (1, 2), "{:?}", db.engine);
    }
}
