//! A running worker's claims, polls and results.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis_core::task::data::Data;
use apalis_sea_orm::{ClaimedJob, JobQueue, NewJob, Options, QueueBackend};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::harness::{
    Clock, TestDb, after, each, job, jobs, noon, options, start, stop, wait_for_state, wait_until,
};

/// A worker that polls too rarely for any of these tests.
fn recv(db: &TestDb) -> JobQueue {
    db.queue_with(Options { poll: Duration::from_mins(10), ..options("ann") })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_woken_worker_runs_a_job_immediately() {
    async fn handle(job: ClaimedJob, started: Data<mpsc::UnboundedSender<Uuid>>) {
        started.send(job.id).unwrap();
    }
    for db in each().await {
        let queue = recv(&db);
        let waker = queue.options().waker.clone();
        let (sender, mut started) = mpsc::unbounded_channel();
        let (worker, end) = start!(QueueBackend::new(queue), sender, handle);
        let mut waits = Vec::new();
        for _ in 0..40 {
            let job = job();
            let put = Instant::now();
            db.enqueue(vec![job.clone()]).await;
            waker.wake();
            assert_eq!(started.recv().await, Some(job.id));
            waits.push(put.elapsed());
            wait_for_state(&db, job.id, "done").await;
        }
        waits.sort();
        println!("{:?}: enqueued to begun p50 {:?}, max {:?}", db.engine, waits[20], waits[39]);
        assert!(waits[39] < Duration::from_secs(5));
        stop(worker, end).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_not_woken_polls() {
    async fn handle(_: ClaimedJob) {}
    for db in each().await {
        let poll = Duration::from_millis(50);
        let queue = db.queue_with(Options { poll, ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue), (), handle);
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        wait_for_state(&db, job.id, "done").await;
        stop(worker, end).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_fills_its_slots_and_never_exceeds_them() {
    #[derive(Default)]
    struct Counts {
        now: AtomicUsize,
        most: AtomicUsize,
        done: AtomicUsize,
    }
    async fn handle(_: ClaimedJob, seen: Data<Arc<Counts>>) {
        let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        seen.now.fetch_sub(1, Ordering::SeqCst);
        seen.done.fetch_add(1, Ordering::SeqCst);
    }
    for db in each().await {
        db.enqueue(jobs(60)).await;
        let poll = Duration::from_mins(10);
        let queue = db.queue_with(Options { poll, concurrency: 4, ..options("ann") });
        let seen = Arc::new(Counts::default());
        let (worker, end) = start!(QueueBackend::new(queue.clone()), seen.clone(), handle);
        wait_until("all jobs are done", || async {
            assert!(queue.in_flight() <= 4);
            seen.done.load(Ordering::SeqCst) == 60
        })
        .await;
        assert_eq!(seen.most.load(Ordering::SeqCst), 4, "{:?}", db.engine);
        stop(worker, end).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_runs_a_scheduled_job_when_it_is_due() {
    async fn handle(_: ClaimedJob) {}
    for db in each().await {
        let clock = Clock::default();
        let queue = db.queue_with(Options { clock: clock.source(), ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue), (), handle);
        let (due, later) = (
            NewJob { run_at: after(noon(), 10_000), ..job() },
            NewJob { run_at: after(noon(), 20_000), ..job() },
        );
        db.enqueue(vec![due.clone(), later.clone()]).await;
        clock.advance(Duration::from_secs(10));
        wait_for_state(&db, due.id, "done").await;
        assert_eq!(db.state(later.id).await, "scheduled", "{:?}", db.engine);
        stop(worker, end).await;
    }
}
