//! Rates shared by all workers.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use apalis_core::task::data::Data;
use apalis_sea_orm::{ClaimedJob, JobQueue, NewJob, QueueBackend, hold_rate, inspect};
use sea_orm::TransactionTrait;

use crate::harness::{each, job, jobs, most_in_a_second, noon, rated, start, stop, wait_until};

type Starts = Arc<Mutex<Vec<Instant>>>;
type Paced = (JobQueue, Starts);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_together_keep_the_rate_and_use_it() {
    async fn handle(job: ClaimedJob, paced: Data<Paced>) {
        let (queue, starts) = &*paced;
        assert!(queue.wait_for_start(&job).await);
        starts.lock().unwrap().push(Instant::now());
    }
    for db in each().await {
        db.enqueue(jobs(240)).await;
        let starts = Starts::default();
        let workers = ["ann", "bob", "cat"].map(|name| {
            let queue = rated(&db, name, 100.0);
            start!(QueueBackend::new(queue.clone()), (queue, starts.clone()), handle)
        });
        wait_until("all jobs have started", || async { starts.lock().unwrap().len() == 240 }).await;
        for (worker, end) in workers {
            stop(worker, end).await;
        }
        let mut starts = starts.lock().unwrap().clone();
        starts.sort();
        let (most, took) = (most_in_a_second(&starts), starts[239] - starts[0]);
        println!("{:?}: 240 at 100/s took {took:?}, at most {most} in a second", db.engine);
        assert!(most <= 100, "{:?}: {most}", db.engine);
        assert!(took < Duration::from_secs(6), "{:?}: too slow, {took:?}", db.engine);
    }
}

#[tokio::test]
async fn a_claim_takes_at_most_as_many_jobs_as_there_are_starts() {
    for db in each().await {
        db.enqueue(jobs(50)).await;
        let ann = rated(&db, "ann", 50.0);
        let started = Instant::now();
        let first = ann.claim(noon(), 40).await.unwrap();
        // Those of 0.2 seconds, and the one that was free.
        assert!((1..=11).contains(&first.len()), "{:?}: {}", db.engine, first.len());
        for job in &first {
            assert!(ann.wait_for_start(job).await);
        }
        let intervals = u32::try_from(first.len() - 1).unwrap();
        let shortest = Duration::from_millis(20) * intervals;
        assert!(started.elapsed() >= shortest, "{:?}: {:?}", db.engine, started.elapsed());
    }
}

#[tokio::test]
async fn a_start_is_reserved_by_one_worker_only() {
    for db in each().await {
        db.enqueue(jobs(9)).await;
        let (ann, bob) = (rated(&db, "ann", 0.5), rated(&db, "bob", 0.5));
        assert_eq!(ann.claim(noon(), 9).await.unwrap().len(), 1, "{:?}", db.engine);
        assert!(bob.claim(noon(), 9).await.unwrap().is_empty(), "reserved");
        let next = async || bob.claim(noon(), 9).await.unwrap();
        wait_until("the next start is available", || async { next().await.len() == 1 }).await;
    }
}

/// However long another transaction locks the row: the wait is not deducted from the starts, and
/// starts that passed during it are not reserved.
#[tokio::test]
async fn starts_reserved_after_a_lock_wait_are_in_the_future() {
    for db in each().await {
        db.enqueue(jobs(5)).await;
        hold_rate(&db.write, "provider", Duration::ZERO).await.unwrap();
        let other = db.read.begin().await.unwrap();
        hold_rate(&other, "provider", Duration::ZERO).await.unwrap();
        let queue = rated(&db, "ann", 50.0);
        let claiming = queue.clone();
        let claim = tokio::spawn(async move { claiming.claim(noon(), 5).await.unwrap() });
        tokio::time::sleep(Duration::from_millis(150)).await;
        let freed = Instant::now();
        other.commit().await.unwrap();
        let claimed = claim.await.unwrap();
        assert_eq!(claimed.len(), 5, "{:?}", db.engine);
        for job in &claimed {
            assert!(queue.wait_for_start(job).await);
        }
        let shortest = Duration::from_millis(20) * 4;
        assert!(freed.elapsed() >= shortest, "{:?}: {:?}", db.engine, freed.elapsed());
    }
}

#[tokio::test]
async fn starts_go_to_the_best_jobs_and_other_queues_need_none() {
    for db in each().await {
        let of = |queue: &str, priority| NewJob { queue: queue.to_owned(), priority, ..job() };
        let best = of("mail", -5);
        db.enqueue((0..20).map(|_| of("mail", 0)).collect()).await;
        db.enqueue(vec![of("logins", 9), of("logins", 9), best.clone()]).await;
        let queue = rated(&db, "ann", 1.0);
        let got = queue.claim(noon(), 10).await.unwrap();
        let got: Vec<_> = got.iter().map(|job| job.queue.as_str()).collect();
        assert_eq!(got, ["mail", "logins", "logins"], "{:?}", db.engine);
        assert_eq!(db.state(best.id).await, "running");
    }
}

#[tokio::test]
async fn no_job_starts_while_the_rate_is_held() {
    for db in each().await {
        db.enqueue(jobs(2)).await;
        let queue = rated(&db, "ann", 100.0);
        hold_rate(&db.write, "provider", Duration::from_mins(10)).await.unwrap();
        hold_rate(&db.write, "provider", Duration::from_secs(1)).await.unwrap();
        assert!(queue.claim(noon(), 2).await.unwrap().is_empty(), "{:?}", db.engine);
        db.statements.lock().unwrap().clear();
        assert!(queue.claim(noon(), 2).await.unwrap().is_empty());
        // It asks only for jobs that need no start.
        assert_eq!(db.statements.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_hold_is_reported_until_it_ends_and_a_slow_rate_is_not_a_hold() {
    for db in each().await {
        let hold = async || inspect::rate_hold(&db.read, "provider").await.unwrap();
        assert_eq!(hold().await, None, "{:?}: the rate is not used yet", db.engine);
        db.enqueue(jobs(2)).await;
        let slow = rated(&db, "ann", 0.1);
        assert_eq!(slow.claim(noon(), 2).await.unwrap().len(), 1);
        assert_eq!(hold().await, None, "{:?}: the next start is 10 s away", db.engine);
        hold_rate(&db.write, "provider", Duration::from_mins(1)).await.unwrap();
        hold_rate(&db.write, "provider", Duration::from_secs(1)).await.unwrap();
        let left = hold().await.unwrap();
        assert!((50..=60).contains(&left.as_secs()), "{:?}: {left:?}", db.engine);
        hold_rate(&db.write, "other", Duration::from_millis(50)).await.unwrap();
        let ended = async || inspect::rate_hold(&db.read, "other").await.unwrap().is_none();
        wait_until("the hold has ended", ended).await;
    }
}

#[tokio::test]
async fn the_rate_can_be_changed_at_run_time() {
    for db in each().await {
        db.enqueue(jobs(90)).await;
        let queue = rated(&db, "ann", 0.0);
        assert!(queue.claim(noon(), 90).await.unwrap().is_empty(), "no starts at a rate of zero");
        queue.set_rate(5.0);
        let some = queue.claim(noon(), 90).await.unwrap().len();
        assert_eq!(some, 1, "{:?}", db.engine);
        queue.set_rate(1_000.0);
        let more = async || queue.claim(noon(), 90).await.unwrap().len();
        wait_until("more starts are available", || async { more().await > 20 }).await;
    }
}

#[tokio::test]
async fn a_claim_without_a_rate_sends_two_statements_and_an_empty_one_sends_one() {
    for db in each().await {
        db.enqueue(jobs(1)).await;
        let plain = db.queue("ann");
        db.statements.lock().unwrap().clear();
        assert_eq!(plain.claim(noon(), 1).await.unwrap().len(), 1);
        assert_eq!(db.statements.lock().unwrap().len(), 2, "{:?}", db.engine);
        let rated = rated(&db, "bob", 10.0);
        db.statements.lock().unwrap().clear();
        assert!(rated.claim(noon(), 1).await.unwrap().is_empty());
        assert_eq!(db.statements.lock().unwrap().len(), 1, "{:?}", db.engine);
    }
}

/// The handler's task is blocked, so that the jobs behind it miss their starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_missed_its_start_waits_for_another() {
    async fn handle(job: ClaimedJob, paced: Data<Paced>) {
        let (queue, starts) = &*paced;
        assert!(queue.wait_for_start(&job).await);
        let first = starts.lock().unwrap().is_empty();
        starts.lock().unwrap().push(Instant::now());
        if first {
            // Blocks like a stopped process.
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(300) {
                std::hint::spin_loop();
            }
        }
    }
    for db in each().await {
        db.enqueue(jobs(12)).await;
        let starts = Starts::default();
        let queue = rated(&db, "ann", 40.0);
        let backend = QueueBackend::new(queue.clone());
        let (worker, end) = start!(backend, (queue, starts.clone()), handle);
        wait_until("all jobs have started", || async { starts.lock().unwrap().len() == 12 }).await;
        stop(worker, end).await;
        let starts = starts.lock().unwrap().clone();
        let within = starts[1..].windows(4).filter(|w| w[3] - w[0] < Duration::from_millis(30));
        assert_eq!(within.count(), 0, "{:?}: burst", db.engine);
    }
}
