//! A rate that all workers keep together.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use apalis_core::task::data::Data;
use apalis_sea_orm::{Claimed, NewJob, Options, Queue, QueueBackend, Rate, board, hold_rate};
use sea_orm::TransactionTrait;

use crate::harness::{Db, each, job, jobs, noon, options, start, until};

pub(crate) fn rated(db: &Db, worker: &str, per_second: f64) -> Queue {
    let rate = Rate { name: "provider".to_owned(), queues: vec!["mail".to_owned()], per_second };
    let queues = vec!["mail".to_owned(), "logins".to_owned()];
    db.queue_with(Options { rate: Some(rate), queues, concurrency: 50, ..options(worker) })
}

/// The most of these in any second.
pub(crate) fn most_in_a_second(times: &[Instant]) -> usize {
    let after = |from: &Instant| {
        times.iter().filter(|at| *at >= from && **at - *from < Duration::from_secs(1)).count()
    };
    times.iter().map(after).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_together_stay_below_the_rate_and_use_it() {
    type Starts = Arc<Mutex<Vec<Instant>>>;
    async fn perform(_: Claimed, starts: Data<Starts>) {
        starts.lock().unwrap().push(Instant::now());
    }
    for db in each().await {
        db.put(jobs(240)).await;
        let starts = Starts::default();
        let workers = ["ann", "bob", "cat"].map(|name| {
            start!(QueueBackend::new(rated(&db, name, 100.0)), starts.clone(), perform)
        });
        until("all are begun", || async { starts.lock().unwrap().len() == 240 }).await;
        for (worker, end) in workers {
            worker.stop().unwrap();
            end.await.unwrap().unwrap();
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
async fn a_claim_takes_no_more_than_there_are_starts_and_each_job_has_its_own() {
    for db in each().await {
        db.put(jobs(50)).await;
        let ann = rated(&db, "ann", 50.0);
        let begun = Instant::now();
        let first = ann.claim(noon(), 40).await.unwrap();
        // A fifth of a second's, and the one that was free.
        assert!((1..=11).contains(&first.len()), "{:?}: {}", db.engine, first.len());
        let starts: Vec<_> = first.iter().map(|job| job.start_at().unwrap()).collect();
        let apart = |pair: &[Instant]| pair[1] - pair[0] >= Duration::from_millis(20);
        assert!(starts.windows(2).all(apart), "{starts:?}");
        first[1].paced().await;
        assert!(begun.elapsed() >= Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_start_that_one_worker_has_is_no_others() {
    for db in each().await {
        db.put(jobs(9)).await;
        let (ann, bob) = (rated(&db, "ann", 0.5), rated(&db, "bob", 0.5));
        assert_eq!(ann.claim(noon(), 9).await.unwrap().len(), 1, "{:?}", db.engine);
        assert!(bob.claim(noon(), 9).await.unwrap().is_empty(), "given away");
        let next = async || bob.claim(noon(), 9).await.unwrap();
        until("there is another", || async { next().await.len() == 1 }).await;
    }
}

/// However long the row is another's: neither is the wait taken off the starts, nor are those given
/// away that passed during it.
#[tokio::test]
async fn starts_that_had_to_be_waited_for_lie_ahead() {
    for db in each().await {
        db.put(jobs(5)).await;
        hold_rate(&db.write, "provider", Duration::ZERO).await.unwrap();
        let other = db.read.begin().await.unwrap();
        hold_rate(&other, "provider", Duration::ZERO).await.unwrap();
        let queue = rated(&db, "ann", 50.0);
        let claim = tokio::spawn(async move { queue.claim(noon(), 5).await.unwrap() });
        tokio::time::sleep(Duration::from_millis(150)).await;
        let freed = Instant::now();
        other.commit().await.unwrap();
        let claimed = claim.await.unwrap();
        let starts: Vec<_> = claimed.iter().map(|job| job.start_at().unwrap()).collect();
        assert!(starts.iter().all(|at| *at >= freed), "{:?}: {starts:?}, {freed:?}", db.engine);
        let apart = |pair: &[Instant]| pair[1] - pair[0] >= Duration::from_millis(20);
        assert!(starts.windows(2).all(apart), "{:?}: {starts:?}", db.engine);
        assert_eq!(starts.len(), 5, "{:?}", db.engine);
    }
}

#[tokio::test]
async fn better_jobs_get_the_starts_and_other_queues_need_none() {
    for db in each().await {
        let of = |queue: &str, priority| NewJob { queue: queue.to_owned(), priority, ..job() };
        let best = of("mail", -5);
        db.put((0..20).map(|_| of("mail", 0)).collect()).await;
        db.put(vec![of("logins", 9), of("logins", 9), best.clone()]).await;
        let queue = rated(&db, "ann", 1.0);
        let got = queue.claim(noon(), 10).await.unwrap();
        let got: Vec<_> = got.iter().map(|job| (job.queue.as_str(), job.start_at())).collect();
        assert_eq!(got.len(), 3, "{:?}: one start, and two that need none", db.engine);
        assert!(got[0].0 == "mail" && got[0].1.is_some(), "{got:?}");
        assert!(got[1..].iter().all(|(queue, at)| *queue == "logins" && at.is_none()));
        assert_eq!(db.state(best.id).await, "running");
    }
}

#[tokio::test]
async fn nothing_starts_while_the_rate_is_held() {
    for db in each().await {
        db.put(jobs(2)).await;
        let queue = rated(&db, "ann", 100.0);
        hold_rate(&db.write, "provider", Duration::from_mins(10)).await.unwrap();
        hold_rate(&db.write, "provider", Duration::from_secs(1)).await.unwrap();
        assert!(queue.claim(noon(), 2).await.unwrap().is_empty(), "{:?}", db.engine);
        db.sent.lock().unwrap().clear();
        assert!(queue.claim(noon(), 2).await.unwrap().is_empty());
        // It knows, and asks only for what needs no start.
        assert_eq!(db.sent.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_hold_is_told_until_it_ends_and_slow_pacing_is_none() {
    for db in each().await {
        let hold = async || board::rate_hold(&db.read, "provider").await.unwrap();
        assert_eq!(hold().await, None, "{:?}: nobody asked for that rate yet", db.engine);
        db.put(jobs(2)).await;
        let slow = rated(&db, "ann", 0.1);
        assert_eq!(slow.claim(noon(), 2).await.unwrap().len(), 1);
        assert_eq!(hold().await, None, "{:?}: the next start is ten seconds off", db.engine);
        hold_rate(&db.write, "provider", Duration::from_mins(1)).await.unwrap();
        hold_rate(&db.write, "provider", Duration::from_secs(1)).await.unwrap();
        let left = hold().await.unwrap();
        assert!((50..=60).contains(&left.as_secs()), "{:?}: {left:?}", db.engine);
        hold_rate(&db.write, "other", Duration::from_millis(50)).await.unwrap();
        let ended = async || board::rate_hold(&db.read, "other").await.unwrap().is_none();
        until("it ends", ended).await;
    }
}

#[tokio::test]
async fn the_rate_may_change_while_work_goes_on() {
    for db in each().await {
        db.put(jobs(90)).await;
        let queue = rated(&db, "ann", 0.0);
        assert!(queue.claim(noon(), 90).await.unwrap().is_empty(), "none at all");
        queue.set_rate(5.0);
        let some = queue.claim(noon(), 90).await.unwrap().len();
        assert_eq!(some, 1, "{:?}", db.engine);
        queue.set_rate(1_000.0);
        let more = async || queue.claim(noon(), 90).await.unwrap().len();
        until("there are more", || async { more().await > 20 }).await;
    }
}

#[tokio::test]
async fn without_a_rate_a_claim_is_three_statements_and_with_nothing_to_do_one() {
    for db in each().await {
        db.put(jobs(1)).await;
        let plain = db.queue("ann");
        db.sent.lock().unwrap().clear();
        assert_eq!(plain.claim(noon(), 1).await.unwrap().len(), 1);
        assert_eq!(db.sent.lock().unwrap().len(), 3, "{:?}", db.engine);
        let rated = rated(&db, "bob", 10.0);
        db.sent.lock().unwrap().clear();
        assert!(rated.claim(noon(), 1).await.unwrap().is_empty());
        assert_eq!(db.sent.lock().unwrap().len(), 1, "{:?}", db.engine);
    }
}

/// The handler's own task is blocked, so that what waits behind it misses its start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_missed_its_start_gets_another() {
    type Starts = Arc<Mutex<Vec<Instant>>>;
    async fn perform(_: Claimed, starts: Data<Starts>) {
        let first = starts.lock().unwrap().is_empty();
        starts.lock().unwrap().push(Instant::now());
        if first {
            // Stands still, as a process does that was stopped.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(300) {
                std::hint::spin_loop();
            }
        }
    }
    for db in each().await {
        db.put(jobs(12)).await;
        let starts = Starts::default();
        let backend = QueueBackend::new(rated(&db, "ann", 40.0));
        let (worker, end) = start!(backend, starts.clone(), perform);
        until("all are begun", || async { starts.lock().unwrap().len() == 12 }).await;
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
        let starts = starts.lock().unwrap().clone();
        let within = starts[1..].windows(4).filter(|w| w[3] - w[0] < Duration::from_millis(30));
        assert_eq!(within.count(), 0, "{:?}: a burst", db.engine);
    }
}
