//! Jobs of workers without heartbeats are rescued.

use std::{sync::Arc, time::Duration};

use apalis_sea_orm::{AttemptOutcome, JobQueue, NewJob, Options, Settled, settle};
use jiff::Timestamp;

use crate::harness::{TestDb, after, attempt_result, each, job, jobs, noon, options, wait_until};

fn short_lived(db: &TestDb, worker: &str) -> JobQueue {
    db.queue_with(Options { lease: Duration::from_millis(50), ..options(worker) })
}

async fn rescue_all(queue: &JobQueue, count: usize, now: Timestamp) {
    let rescued = Arc::new(std::sync::Mutex::new(0));
    wait_until("all leases have ended", || async {
        let ids = queue.rescue(now).await.unwrap();
        *rescued.lock().unwrap() += ids.len();
        *rescued.lock().unwrap() == count
    })
    .await;
}

#[tokio::test]
async fn the_job_of_a_silent_worker_is_rescued_and_the_attempt_charged() {
    for db in each().await {
        db.enqueue(jobs(2)).await;
        let late = short_lived(&db, "ann").claim(noon(), 1).await.unwrap().remove(0);
        let kept = db.queue("bob").claim(noon(), 1).await.unwrap().remove(0);
        let queue = db.queue("cat");
        let now = after(noon(), 60_000);
        rescue_all(&queue, 1, now).await;
        assert_eq!(db.state(kept.id).await, "running", "its lease is current");

        let row = db.job(late.id).await;
        assert_eq!((row.state.as_str(), row.attempts, row.locked_by), ("ready", 1, None));
        assert_eq!(row.last_error_code.as_deref(), Some("lost"));
        let attempts = db.attempts(late.id).await;
        assert_eq!(attempts.len(), 1);
        assert_eq!((attempts[0].outcome.as_str(), attempts[0].worker.as_str()), ("lost", "ann"));
        assert_eq!((attempts[0].number, attempts[0].fence), (1, 1));

        // The silent worker reports too late, before and after another worker claimed the job.
        let done = [attempt_result(&late, AttemptOutcome::Done)];
        assert_eq!(settle(&db.write, &done).await.unwrap(), Settled::SomeLost);
        let again = queue.claim(now, 1).await.unwrap().remove(0);
        assert_eq!((again.id, again.number, again.fence), (late.id, 2, 2));
        assert_eq!(settle(&db.write, &done).await.unwrap(), Settled::SomeLost, "{:?}", db.engine);
        let done = [attempt_result(&again, AttemptOutcome::Done)];
        db.settle(&done).await;
    }
}

#[tokio::test]
async fn a_job_whose_attempts_are_used_up_is_delivered_as_exhausted() {
    for db in each().await {
        db.enqueue(vec![NewJob { max_attempts: 2, ..job() }]).await;
        let queue = short_lived(&db, "ann");
        for number in [1, 2, 3, 4] {
            let claimed = queue.claim(noon(), 1).await.unwrap().remove(0);
            assert_eq!((claimed.number, claimed.exhausted()), (number, number > 2));
            assert_eq!(claimed.fence, i64::from(number));
            rescue_all(&queue, 1, noon()).await;
        }
        let last = db.queue("bob").claim(noon(), 1).await.unwrap().remove(0);
        let dead = attempt_result(&last, AttemptOutcome::Dead);
        db.settle(&[dead]).await;
        assert_eq!(db.state(last.id).await, "dead", "{:?}", db.engine);
        assert_eq!(db.attempts(last.id).await.len(), 5);
    }
}

#[tokio::test]
async fn concurrent_rescues_record_each_loss_once() {
    for db in each().await {
        db.enqueue(jobs(60)).await;
        let claimed = short_lived(&db, "ann").claim(noon(), 60).await.unwrap();
        let (bob, cat) = (db.queue("bob"), db.queue("cat"));
        let rescued = std::sync::Mutex::new(0);
        wait_until("all jobs are rescued", || async {
            let (by_bob, by_cat) = tokio::join!(bob.rescue(noon()), cat.rescue(noon()));
            *rescued.lock().unwrap() += by_bob.unwrap().len() + by_cat.unwrap().len();
            *rescued.lock().unwrap() == 60
        })
        .await;
        for job in claimed {
            assert_eq!(db.attempts(job.id).await.len(), 1, "{:?}", db.engine);
            assert_eq!(db.state(job.id).await, "ready");
        }
    }
}
