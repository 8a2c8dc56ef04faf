//! Handlers that wait for their jobs' starts themselves.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use apalis_core::task::data::Data;
use apalis_sea_orm::{ClaimedJob, JobQueue, NewJob, QueueBackend, hold_rate};
use tokio::{
    sync::Semaphore,
    time::{sleep, sleep_until},
};

use crate::harness::{
    TestDb, each, job, jobs, most_in_a_second, noon, rated, start, stop, wait_until,
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

/// Claims a job and misses its start.
async fn claim_and_miss_start(db: &TestDb, queue: &JobQueue) -> ClaimedJob {
    db.enqueue(jobs(1)).await;
    let job = queue.claim(noon(), 1).await.unwrap().remove(0);
    sleep_until(job.start_at().unwrap().into()).await;
    sleep(Duration::from_millis(60)).await;
    job
}

#[tokio::test]
async fn a_job_that_missed_its_start_waits_for_another() {
    for db in each().await {
        for per_second in [100.0, 0.7] {
            let queue = rated(&db, "ann", per_second);
            let job = claim_and_miss_start(&db, &queue).await;
            let missed = job.start_at().unwrap();
            assert!(queue.wait_for_start(&job).await, "{:?} at {per_second}", db.engine);
            let at = job.start_at().unwrap();
            let apart = Duration::from_secs_f64(1.0 / per_second);
            assert!(at - missed >= apart, "{:?}: {:?}", db.engine, at - missed);
            assert!(Instant::now() >= at, "{:?}: did not wait", db.engine);
        }
    }
}

#[tokio::test]
async fn a_job_that_missed_its_start_may_not_begin_during_a_hold() {
    for db in each().await {
        let queue = rated(&db, "ann", 100.0);
        let job = claim_and_miss_start(&db, &queue).await;
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
async fn a_job_that_missed_its_start_may_not_begin_during_an_outage() {
    for db in each().await {
        let queue = rated(&db, "ann", 100.0);
        let (late, timely) =
            (claim_and_miss_start(&db, &queue).await, claim_and_miss_start(&db, &queue).await);
        assert!(queue.wait_for_start(&timely).await);
        db.write.close_by_ref().await.unwrap();
        assert!(!queue.wait_for_start(&late).await, "{:?}", db.engine);
        assert!(queue.wait_for_start(&timely).await, "{:?}: has its start", db.engine);
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
