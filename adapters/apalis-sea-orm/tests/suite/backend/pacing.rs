//! Handlers that wait for their jobs' starts themselves.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis_core::task::data::Data;
use apalis_sea_orm::{ClaimedJob, JobQueue, NewJob, Options, QueueBackend, hold_rate};
use tokio::{sync::Semaphore, time::sleep};

use crate::harness::{
    TestDb, each, job, jobs, most_in_a_second, noon, options, rated, start, stop, wait_until,
};

type Started = Arc<(JobQueue, Mutex<Vec<Instant>>)>;

/// Prepares for up to 60 ms, spread evenly over the jobs, then waits for the start.
async fn prepare_slowly(job: ClaimedJob, started: Data<Started>) {
    static PREPARED: AtomicU64 = AtomicU64::new(0);
    let spread = PREPARED.fetch_add(37, Ordering::Relaxed) % 61;
    sleep(Duration::from_millis(spread)).await;
    let (queue, times) = &**started;
    assert!(queue.wait_for_start(&job).await);
    times.lock().unwrap().push(Instant::now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_handlers_keep_the_rate_and_use_it() {
    for db in each().await {
        db.enqueue(jobs(200)).await;
        let both = ["ann", "bob"]
            .map(|name| -> Started { Arc::new((rated(&db, name, 50.0), Mutex::default())) });
        let workers = both.each_ref().map(|started| {
            start!(QueueBackend::new(started.0.clone()), started.clone(), prepare_slowly)
        });
        let times = || both.iter().flat_map(|started| started.1.lock().unwrap().clone());
        wait_until("all jobs have started", || async { times().count() == 200 }).await;
        for (worker, end) in workers {
            stop(worker, end).await;
        }
        let mut times: Vec<_> = times().collect();
        times.sort();
        let (most, took) = (most_in_a_second(&times), times[199] - times[0]);
        println!("{:?}: 200 at 50/s took {took:?}, at most {most} in a second", db.engine);
        assert!(most <= 50, "{:?}: {most}", db.engine);
        assert!(took < Duration::from_secs(5), "{:?}: too slow, {took:?}", db.engine);
    }
}

/// Claims a job and lets the start that was reserved for it pass, which is due at once. Returns when
/// it was claimed.
async fn claim_and_miss_start(db: &TestDb, queue: &JobQueue) -> (ClaimedJob, Instant) {
    db.enqueue(jobs(1)).await;
    let claimed_at = Instant::now();
    let job = queue.claim(noon(), 1).await.unwrap().remove(0);
    sleep(Duration::from_millis(60)).await;
    (job, claimed_at)
}

#[tokio::test]
async fn a_job_that_missed_its_start_waits_for_another() {
    for db in each().await {
        for per_second in [100.0, 0.7] {
            let queue = rated(&db, "ann", per_second);
            let (job, claimed_at) = claim_and_miss_start(&db, &queue).await;
            assert!(queue.wait_for_start(&job).await, "{:?} at {per_second}", db.engine);
            let apart = Duration::from_secs_f64(1.0 / per_second);
            assert!(claimed_at.elapsed() >= apart, "{:?}: did not wait", db.engine);
        }
    }
}

#[tokio::test]
async fn a_start_is_used_once() {
    for db in each().await {
        db.enqueue(jobs(2)).await;
        let queue = rated(&db, "ann", 5.0);
        let job = queue.claim(noon(), 2).await.unwrap().remove(0);
        let asked = Instant::now();
        for _ in 0..3 {
            assert!(queue.wait_for_start(&job).await);
        }
        assert!(asked.elapsed() >= Duration::from_millis(400), "{:?}", db.engine);
    }
}

#[tokio::test]
async fn a_start_of_a_job_that_was_dropped_is_used_by_the_next() {
    for db in each().await {
        db.enqueue(jobs(3)).await;
        let queue = rated(&db, "ann", 5.5);
        drop(queue.claim(noon(), 3).await.unwrap());
        db.enqueue(jobs(3)).await;
        db.statements.lock().unwrap().clear();
        let job = queue.claim(noon(), 1).await.unwrap().remove(0);
        assert!(queue.wait_for_start(&job).await, "{:?}", db.engine);
        assert_eq!(
            db.statements.lock().unwrap().len(),
            2,
            "{:?}: no start was reserved",
            db.engine
        );
    }
}

#[tokio::test]
async fn a_job_that_missed_its_start_may_not_begin_during_a_hold() {
    for db in each().await {
        let queue = rated(&db, "ann", 100.0);
        let (job, _) = claim_and_miss_start(&db, &queue).await;
        hold_rate(&db.write, "provider", Duration::from_mins(10)).await.unwrap();
        for _ in 0..3 {
            let asked = Instant::now();
            assert!(!queue.wait_for_start(&job).await, "{:?}", db.engine);
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?}: waited", db.engine);
        }
        queue.set_rate(0.0);
        assert!(!queue.wait_for_start(&job).await, "{:?}: no starts at a rate of zero", db.engine);
    }
}

#[tokio::test]
async fn a_job_without_a_reserved_start_may_not_begin_during_an_outage() {
    for db in each().await {
        db.enqueue(jobs(2)).await;
        let queue = rated(&db, "ann", 6.0);
        let jobs = queue.claim(noon(), 2).await.unwrap();
        assert_eq!(jobs.len(), 2, "{:?}", db.engine);
        db.write.close_by_ref().await.unwrap();
        let mut begun = 0;
        while queue.wait_for_start(&jobs[0]).await {
            begun += 1;
        }
        // The first start is due at once, and may have passed.
        assert!((1..=2).contains(&begun), "{:?}: {begun} of two reserved starts", db.engine);
    }
}

/// Jobs are claimed ahead while others end, but no more than the slots run at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_claimed_ahead_wait_for_a_slot() {
    #[derive(Default)]
    struct Counts {
        held: AtomicUsize,
        most_held: AtomicUsize,
        running: AtomicUsize,
        most_running: AtomicUsize,
        done: AtomicUsize,
    }
    async fn handle(job: ClaimedJob, data: Data<Arc<(JobQueue, Counts)>>) {
        let (queue, counts) = &**data;
        let held = counts.held.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most_held.fetch_max(held, Ordering::SeqCst);
        assert!(queue.wait_for_start(&job).await);
        let running = counts.running.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most_running.fetch_max(running, Ordering::SeqCst);
        sleep(Duration::from_millis(20)).await;
        counts.running.fetch_sub(1, Ordering::SeqCst);
        counts.held.fetch_sub(1, Ordering::SeqCst);
        counts.done.fetch_add(1, Ordering::SeqCst);
    }
    for db in each().await {
        db.enqueue(jobs(200)).await;
        let queue = db.queue_with(Options { concurrency: 8, ..options("ann") });
        let data = Arc::new((queue.clone(), Counts::default()));
        let (worker, end) = start!(QueueBackend::new(queue), data.clone(), handle);
        let counts = &data.1;
        wait_until("all are done", || async { counts.done.load(Ordering::SeqCst) == 200 }).await;
        stop(worker, end).await;
        let (most_held, most_running) =
            (counts.most_held.load(Ordering::SeqCst), counts.most_running.load(Ordering::SeqCst));
        assert_eq!(most_running, 8, "{:?}", db.engine);
        assert!((9..=12).contains(&most_held), "{:?}: {most_held}", db.engine);
    }
}

#[tokio::test]
async fn a_job_without_a_rate_starts_immediately() {
    for db in each().await {
        db.enqueue(vec![NewJob { queue: "logins".to_owned(), ..job() }]).await;
        let queue = rated(&db, "ann", 0.1);
        hold_rate(&db.write, "provider", Duration::from_mins(10)).await.unwrap();
        let job = queue.claim(noon(), 1).await.unwrap().remove(0);
        db.statements.lock().unwrap().clear();
        let asked = Instant::now();
        assert!(queue.wait_for_start(&job).await, "{:?}", db.engine);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", db.engine);
        assert!(db.statements.lock().unwrap().is_empty(), "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_worker_starts_waiting_jobs_and_releases_the_others() {
    type Prepared = Arc<(JobQueue, Semaphore)>;
    async fn handle(job: ClaimedJob, prepared: Data<Prepared>) {
        let (queue, prepared) = &**prepared;
        prepared.add_permits(1);
        assert!(queue.wait_for_start(&job).await);
    }
    for db in each().await {
        let all = jobs(40);
        db.enqueue(all.clone()).await;
        let prepared: Prepared = Arc::new((rated(&db, "ann", 20.0), Semaphore::new(0)));
        let backend = QueueBackend::new(prepared.0.clone());
        let (worker, end) = start!(backend, prepared.clone(), handle);
        prepared.1.acquire_many(3).await.unwrap().forget();
        stop(worker, end).await;
        let (mut done, mut ready) = (0, 0);
        for job in &all {
            let row = db.job(job.id).await;
            match (row.state.as_str(), row.attempts) {
                ("done", 1) => done += 1,
                ("ready", 0) => ready += 1,
                other => panic!("{:?}: {other:?}", db.engine),
            }
        }
        assert!(done >= 3 && ready > 0, "{:?}: {done} done, {ready} ready", db.engine);
    }
}
