//! Workers that drain, pause, stop or are dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis_core::{task::data::Data, worker::context::WorkerContext};
use apalis_sea_orm::{ClaimedJob, NewJob, Options, QueueBackend};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::harness::{TestDb, each, job, jobs, noon, options, start, wait_for_state, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_takes_longer_than_its_lease_runs_once() {
    async fn handle(job: ClaimedJob, tries: Data<Arc<AtomicUsize>>) {
        tries.fetch_add(1, Ordering::SeqCst);
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(2_500) {
            assert!(job.lease.is_valid(), "lost after {:?}", started.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for db in each().await {
        let short = |worker| Options { lease: Duration::from_secs(1), ..options(worker) };
        let tries = Arc::new(AtomicUsize::new(0));
        let start =
            |worker| start!(QueueBackend::new(db.queue_with(short(worker))), tries.clone(), handle);
        let workers = [start("ann"), start("bob")];
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        wait_until("the job has started", || async { tries.load(Ordering::SeqCst) > 0 }).await;
        // It runs for longer than its lease while its worker drains.
        for (worker, _) in &workers {
            worker.stop().unwrap();
        }
        let other = db.queue("cat");
        wait_until("the job is done", || async {
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
async fn a_stopping_worker_finishes_started_jobs_and_releases_the_others() {
    /// Blocks the worker's task, so that the other jobs stay claimed and not started.
    async fn handle(_: ClaimedJob, worker: WorkerContext, at: Data<(Arc<TestDb>, Uuid)>) {
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let (db, last) = &*at;
                wait_until("all jobs are claimed", || async { db.state(*last).await == "running" })
                    .await;
            });
        });
        worker.stop().unwrap();
    }
    for db in each().await {
        let db = Arc::new(db);
        let three = jobs(3);
        db.enqueue(three.clone()).await;
        let (_, end) =
            start!(QueueBackend::new(db.queue("ann")), (db.clone(), three[2].id), handle);
        end.await.unwrap().unwrap();
        let mut rows = Vec::new();
        for job in &three {
            let row = db.job(job.id).await;
            rows.push((row.state, row.attempts));
        }
        let actual: Vec<_> = rows.iter().map(|(state, n)| (state.as_str(), *n)).collect();
        assert_eq!(actual, [("done", 1), ("ready", 0), ("ready", 0)], "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_worker_starts_no_job_until_it_resumes() {
    async fn handle(_: ClaimedJob) {}
    for db in each().await {
        let queue = db.queue_with(Options { poll: Duration::from_millis(20), ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue.clone()), (), handle);
        wait_until("the worker is running", || async { worker.is_running() }).await;
        worker.pause().unwrap();
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        queue.options().waker.wake();
        // Another worker claims a job within this time.
        let other = db.queue_with(Options { queues: vec!["other".to_owned()], ..options("bob") });
        let witness = NewJob { queue: "other".to_owned(), ..crate::harness::job() };
        let (second, second_end) = start!(QueueBackend::new(other), (), handle);
        db.enqueue(vec![witness.clone()]).await;
        wait_for_state(&db, witness.id, "done").await;
        // A claim that was in progress when the worker was paused is given back.
        wait_for_state(&db, job.id, "ready").await;
        worker.resume().unwrap();
        wait_for_state(&db, job.id, "done").await;
        for worker in [worker, second] {
            worker.stop().unwrap();
        }
        end.await.unwrap().unwrap();
        second_end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_worker_is_dropped_is_released_uncharged() {
    async fn handle(_: ClaimedJob, started: Data<Arc<Semaphore>>) {
        started.add_permits(1);
        std::future::pending::<()>().await;
    }
    for db in each().await {
        let started = Arc::new(Semaphore::new(0));
        let (_, end) = start!(QueueBackend::new(db.queue("ann")), started.clone(), handle);
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        started.acquire().await.unwrap().forget();
        end.abort();
        wait_for_state(&db, job.id, "ready").await;
        let again = db.queue("bob").claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!((again.number, again.fence), (1, 2), "{:?}", db.engine);
    }
}
