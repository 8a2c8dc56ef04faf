//! The queue behind a running apalis worker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis_core::task::data::Data;
use apalis_sea_orm::{Claimed, NewJob, Options, Queue, QueueBackend, entity};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::harness::{Clock, Db, after, each, is, job, jobs, noon, options, start, until};

/// A worker whose polling would come too late for any of these tests.
fn woken(db: &Db) -> Queue {
    db.queue_with(Options { poll: Duration::from_mins(10), ..options("ann") })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_woken_worker_performs_a_job_at_once() {
    async fn perform(job: Claimed, begun: Data<mpsc::UnboundedSender<Uuid>>) {
        begun.send(job.id).unwrap();
    }
    for db in each().await {
        let queue = woken(&db);
        let waker = queue.options().waker.clone();
        let (sender, mut begun) = mpsc::unbounded_channel();
        let (worker, end) = start!(QueueBackend::new(queue), sender, perform);
        let mut waits = Vec::new();
        for _ in 0..40 {
            let job = job();
            let put = Instant::now();
            db.put(vec![job.clone()]).await;
            waker.wake();
            assert_eq!(begun.recv().await, Some(job.id));
            waits.push(put.elapsed());
            is(&db, job.id, "done").await;
        }
        waits.sort();
        println!("{:?}: enqueued to begun p50 {:?}, max {:?}", db.engine, waits[20], waits[39]);
        assert!(waits[39] < Duration::from_secs(5));
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_nobody_wakes_looks_by_itself() {
    async fn perform(_: Claimed) {}
    for db in each().await {
        let poll = Duration::from_millis(50);
        let queue = db.queue_with(Options { poll, ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue), (), perform);
        let job = job();
        db.put(vec![job.clone()]).await;
        is(&db, job.id, "done").await;
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_jobs_than_slots_are_held_and_a_free_slot_is_filled_at_once() {
    #[derive(Default)]
    struct Seen {
        now: AtomicUsize,
        most: AtomicUsize,
        done: AtomicUsize,
    }
    async fn perform(_: Claimed, seen: Data<Arc<Seen>>) {
        let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        seen.now.fetch_sub(1, Ordering::SeqCst);
        seen.done.fetch_add(1, Ordering::SeqCst);
    }
    for db in each().await {
        db.put(jobs(60)).await;
        let poll = Duration::from_mins(10);
        let queue = db.queue_with(Options { poll, concurrency: 4, ..options("ann") });
        let seen = Arc::new(Seen::default());
        let (worker, end) = start!(QueueBackend::new(queue.clone()), seen.clone(), perform);
        until("all are done", || async {
            assert!(queue.in_flight() <= 4);
            seen.done.load(Ordering::SeqCst) == 60
        })
        .await;
        assert_eq!(seen.most.load(Ordering::SeqCst), 4, "{:?}", db.engine);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduled_job_is_performed_when_it_is_due() {
    async fn perform(_: Claimed) {}
    for db in each().await {
        let clock = Clock::default();
        let queue = db.queue_with(Options { clock: clock.source(), ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue), (), perform);
        let (due, later) = (
            NewJob { run_at: after(noon(), 10_000), ..job() },
            NewJob { run_at: after(noon(), 20_000), ..job() },
        );
        db.put(vec![due.clone(), later.clone()]).await;
        clock.advance(Duration::from_secs(10));
        is(&db, due.id, "done").await;
        assert_eq!(db.state(later.id).await, "scheduled", "{:?}", db.engine);
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_written_in_groups() {
    async fn perform(_: Claimed) {}
    for db in each().await {
        db.put(jobs(2_000)).await;
        let queue = db.queue_with(Options { concurrency: 50, ..options("ann") });
        db.sent.lock().unwrap().clear();
        let begun = Instant::now();
        let (worker, end) = start!(QueueBackend::new(queue), (), perform);
        let count = || async {
            let done = entity::job::Column::State.eq("done");
            let done = entity::job::Entity::find().filter(done);
            done.count(&db.write).await.unwrap() == 2_000
        };
        until("all are done", count).await;
        let rate = 2_000.0 / begun.elapsed().as_secs_f64();
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
        let updates = |set: &str| {
            let sent = db.sent.lock().unwrap();
            sent.iter().filter(|s| s.sql.starts_with("UPDATE") && s.sql.contains(set)).count()
        };
        let (claims, results) = (updates("lease_until"), updates("finished_at"));
        println!("{:?}: {rate:.0} jobs/s; {claims} claims, {results} results", db.engine);
        assert!(results < 1_000);
    }
}
