//! Which worker claims which job, and in what order.

use std::{collections::HashMap, sync::Arc, time::Instant};

use apalis_sea_orm::{AttemptOutcome, JobQueue, NewJob, Options, cancel, retry, settle};
use tokio::sync::Mutex;

use crate::harness::{after, attempt_result, each, job, jobs, noon, options};

#[tokio::test]
async fn the_best_job_of_all_queues_is_claimed_first() {
    for db in each().await {
        let of = |queue: &str, priority, delay| NewJob {
            queue: queue.to_owned(),
            priority,
            run_at: after(noon(), delay),
            created_at: after(noon(), 1_000),
            ..job()
        };
        let wanted = [
            of("mail", -1, 500),
            of("logins", 0, 10),
            of("mail", 0, 20),
            of("logins", 0, 30),
            of("mail", 0, 30),
            of("logins", 1, 0),
        ];
        let mut shuffled = wanted.to_vec();
        shuffled.reverse();
        shuffled.push(of("other", -9, 0));
        db.enqueue(shuffled).await;

        let queues = ["logins".to_owned(), "mail".to_owned(), "empty".to_owned()];
        let queue = db.queue_with(Options { queues: queues.into(), ..options("ann") });
        let first = queue.claim(noon(), 4).await.unwrap();
        let second = queue.claim(noon(), 4).await.unwrap();
        let got: Vec<_> = first.iter().chain(&second).map(|job| job.id).collect();
        assert_eq!(got, wanted.iter().map(|job| job.id).collect::<Vec<_>>(), "{:?}", db.engine);
        assert_eq!((first.len(), second.len()), (4, 2));
    }
}

/// The claim of a job that was read before another worker claimed and released it would have an
/// outdated fence.
#[tokio::test]
async fn a_job_that_was_claimed_and_released_since_it_was_read_is_not_claimed() {
    for db in each().await {
        db.enqueue(jobs(1)).await;
        let snapshot = db.location.snapshot().await;
        let bob = db.queue("bob");
        let claimed = bob.claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!(bob.release(&[(claimed.id, claimed.fence)]).await.unwrap(), 1);
        let ann = JobQueue::new(db.write.clone(), snapshot, options("ann"));
        assert!(ann.claim(noon(), 1).await.unwrap().is_empty(), "{:?}", db.engine);
        let later = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!((later.fence, later.number), (2, 1));
    }
}

/// The claim of a job that was read before an operator retried it would have the former number of
/// attempts.
#[tokio::test]
async fn a_job_that_was_cancelled_and_retried_since_it_was_read_is_not_claimed() {
    for db in each().await {
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        let snapshot = db.location.snapshot().await;
        assert!(cancel(&db.write, job.id, noon()).await.unwrap());
        assert!(retry(&db.write, job.id, noon()).await.unwrap());
        let ann = JobQueue::new(db.write.clone(), snapshot, options("ann"));
        assert!(ann.claim(noon(), 1).await.unwrap().is_empty(), "{:?}", db.engine);
        assert_eq!(db.queue("ann").claim(noon(), 1).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_claimed_job_has_the_values_it_was_enqueued_with() {
    for db in each().await {
        let put = NewJob { priority: 7, max_attempts: 5, ..job() };
        db.enqueue(vec![put.clone()]).await;
        let now = after(noon(), 250);
        let got = db.queue("ann").claim(now, 10).await.unwrap().remove(0);
        assert_eq!(
            (got.id, &got.queue, &got.kind, &got.args),
            (put.id, &put.queue, &put.kind, &put.args)
        );
        assert_eq!((got.number, got.max_attempts, got.fence, got.priority), (1, 5, 1, 7));
        assert_eq!((got.created_at, got.run_at, got.started_at), (noon(), noon(), now));
        assert!(got.lease.is_valid() && !got.exhausted());
        let args: HashMap<String, String> = got.decode().unwrap();
        assert_eq!(args["to"], "ada");
        let row = db.job(put.id).await;
        assert_eq!((row.state.as_str(), row.locked_by.as_deref()), ("running", Some("ann")));
    }
}

#[tokio::test]
async fn nothing_is_written_when_there_is_nothing_to_do() {
    for db in each().await {
        db.enqueue(vec![NewJob { queue: "other".to_owned(), ..job() }]).await;
        db.statements.lock().unwrap().clear();
        let queue = db.queue("ann");
        assert!(queue.claim(noon(), 10).await.unwrap().is_empty());
        assert!(queue.claim(noon(), 0).await.unwrap().is_empty());
        assert_eq!(queue.promote(noon()).await.unwrap(), 0);
        assert!(queue.rescue(noon()).await.unwrap().is_empty());
        assert!(queue.heartbeat(&[]).await.unwrap().is_empty());
        assert_eq!(queue.next_due().await.unwrap(), None);
        let sent = db.statements.lock().unwrap();
        assert!(sent.iter().all(|statement| statement.sql.starts_with("SELECT")), "{sent:?}");
        assert_eq!(sent.len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_workers_never_share_a_job() {
    for db in each().await {
        // Some jobs exist, others are enqueued during the claims.
        db.enqueue(jobs(1_000)).await;
        let producers = [(); 2].map(|()| {
            let write = db.write.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    apalis_sea_orm::enqueue_all(&write, jobs(10)).await.unwrap();
                }
            })
        });
        let claims = Arc::new(Mutex::new(HashMap::new()));
        let started = Instant::now();
        let workers = ["ann", "bob", "cat", "dan"].map(|worker| {
            let (queue, write, claims) = (db.queue(worker), db.write.clone(), claims.clone());
            tokio::spawn(async move {
                loop {
                    let jobs = queue.claim(noon(), 10).await.unwrap();
                    let results: Vec<_> =
                        jobs.iter().map(|job| attempt_result(job, AttemptOutcome::Done)).collect();
                    let mut claims = claims.lock().await;
                    for job in &jobs {
                        assert_eq!(claims.insert(job.id, worker), None, "shared");
                        assert_eq!((job.fence, job.number), (1, 1));
                    }
                    if jobs.is_empty() && claims.len() == 2_000 {
                        return;
                    }
                    drop(claims);
                    assert_eq!(
                        settle(&write, &results).await.unwrap(),
                        apalis_sea_orm::Settled::All
                    );
                }
            })
        });
        for task in workers.into_iter().chain(producers) {
            task.await.unwrap();
        }
        let rate = 2_000.0 / started.elapsed().as_secs_f64();
        let claims = claims.lock().await;
        let share = |worker| claims.values().filter(|by| **by == worker).count();
        let shares = ["ann", "bob", "cat", "dan"].map(share);
        println!("{:?}: claimed and settled {rate:.0} jobs/s, {shares:?}", db.engine);
    }
}

#[tokio::test]
async fn concurrent_claims_of_one_worker_never_share_a_job() {
    for db in each().await {
        db.enqueue(jobs(100)).await;
        let queue = db.queue("ann");
        let claims = (0..10).map(|_| {
            let queue = queue.clone();
            async move { queue.claim(noon(), 15).await.unwrap() }
        });
        let claims = futures::future::join_all(claims).await;
        let mut ids: Vec<_> = claims.iter().flatten().map(|job| job.id).collect();
        assert_eq!(ids.len(), 100);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 100);
    }
}
