//! Handlers that wait for their jobs' starts by themselves.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use apalis_core::task::data::Data;
use apalis_sea_orm::{Claimed, NewJob, Queue, QueueBackend, hold_rate};
use tokio::{sync::Semaphore, time::sleep};

use crate::{
    harness::{Db, each, job, jobs, noon, start, until},
    rates::{most_in_a_second, rated},
};

type Begun = Arc<(Queue, Mutex<Vec<Instant>>)>;

/// Prepares for a while, which is another each time, and begins.
async fn dawdle(job: Claimed, begun: Data<Begun>) {
    sleep(Duration::from_millis(rand::random_range(0..=60))).await;
    let (queue, times) = &**begun;
    assert!(queue.begin(&job).await);
    times.lock().unwrap().push(Instant::now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_dawdle_keep_the_rate_and_use_it() {
    for db in each().await {
        db.put(jobs(200)).await;
        let both = ["ann", "bob"]
            .map(|name| -> Begun { Arc::new((rated(&db, name, 50.0), Mutex::default())) });
        let workers = both.each_ref().map(|begun| {
            start!(QueueBackend::new(begun.0.clone()).leave_pacing(), begun.clone(), dawdle)
        });
        let times = || both.iter().flat_map(|begun| begun.1.lock().unwrap().clone());
        until("all are begun", || async { times().count() == 200 }).await;
        for (worker, end) in workers {
            worker.stop().unwrap();
            end.await.unwrap().unwrap();
        }
        let mut times: Vec<_> = times().collect();
        times.sort();
        let (most, took) = (most_in_a_second(&times), times[199] - times[0]);
        println!("{:?}: 200 at 50/s took {took:?}, at most {most} in a second", db.engine);
        assert!(most <= 50, "{:?}: {most}", db.engine);
        assert!(took < Duration::from_secs(5), "{:?}: too slow, {took:?}", db.engine);
    }
}

/// Claims a job and dawdles until its start is missed.
async fn late(db: &Db, queue: &Queue) -> Claimed {
    db.put(jobs(1)).await;
    let job = queue.claim(noon(), 1).await.unwrap().remove(0);
    job.paced().await;
    sleep(Duration::from_millis(60)).await;
    job
}

#[tokio::test]
async fn who_missed_a_start_waits_for_another() {
    for db in each().await {
        for per_second in [100.0, 0.7] {
            let queue = rated(&db, "ann", per_second);
            let job = late(&db, &queue).await;
            let missed = job.start_at().unwrap();
            assert!(queue.begin(&job).await, "{:?} at {per_second}", db.engine);
            let at = job.start_at().unwrap();
            let apart = Duration::from_secs_f64(1.0 / per_second);
            assert!(at - missed >= apart, "{:?}: {:?}", db.engine, at - missed);
            assert!(Instant::now() >= at, "{:?}: it did not wait", db.engine);
        }
    }
}

#[tokio::test]
async fn who_missed_a_start_may_not_begin_while_the_rate_is_held() {
    for db in each().await {
        let queue = rated(&db, "ann", 100.0);
        let job = late(&db, &queue).await;
        hold_rate(&db.write, "provider", Duration::from_mins(10)).await.unwrap();
        for _ in 0..3 {
            let asked = Instant::now();
            assert!(!queue.begin(&job).await, "{:?}", db.engine);
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?}: it waited", db.engine);
        }
        queue.set_rate(0.0);
        assert!(!queue.begin(&job).await, "{:?}: there are none at all", db.engine);
    }
}

#[tokio::test]
async fn who_missed_a_start_may_not_begin_while_the_database_is_away() {
    for db in each().await {
        let queue = rated(&db, "ann", 100.0);
        let (late, timely) = (late(&db, &queue).await, late(&db, &queue).await);
        assert!(queue.begin(&timely).await);
        db.write.close_by_ref().await.unwrap();
        assert!(!queue.begin(&late).await, "{:?}", db.engine);
        assert!(queue.begin(&timely).await, "{:?}: it has its start", db.engine);
    }
}

#[tokio::test]
async fn what_needs_no_start_begins_at_once() {
    for db in each().await {
        db.put(vec![NewJob { queue: "logins".to_owned(), ..job() }]).await;
        let queue = rated(&db, "ann", 0.1);
        hold_rate(&db.write, "provider", Duration::from_mins(10)).await.unwrap();
        let job = queue.claim(noon(), 1).await.unwrap().remove(0);
        db.sent.lock().unwrap().clear();
        let asked = Instant::now();
        assert!(queue.begin(&job).await, "{:?}", db.engine);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", db.engine);
        assert!(db.sent.lock().unwrap().is_empty(), "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_start_while_the_worker_stops_has_it_and_the_rest_is_given_back() {
    type Prepared = Arc<(Queue, Semaphore)>;
    async fn perform(job: Claimed, prepared: Data<Prepared>) {
        let (queue, prepared) = &**prepared;
        prepared.add_permits(1);
        assert!(queue.begin(&job).await);
    }
    for db in each().await {
        let all = jobs(40);
        db.put(all.clone()).await;
        let prepared: Prepared = Arc::new((rated(&db, "ann", 20.0), Semaphore::new(0)));
        let backend = QueueBackend::new(prepared.0.clone()).leave_pacing();
        let (worker, end) = start!(backend, prepared.clone(), perform);
        prepared.1.acquire_many(3).await.unwrap().forget();
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
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
