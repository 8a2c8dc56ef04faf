//! Paused queues.

use std::time::Duration;

use apalis_sea_orm::{ClaimedJob, NewJob, Options, QueueBackend, inspect, pause, resume};
use sea_orm::TransactionTrait;

use crate::harness::{after, each, job, noon, options, start, stop, wait_for_state, wait_until};

fn login() -> NewJob {
    NewJob { queue: "logins".to_owned(), ..job() }
}

#[tokio::test]
async fn a_paused_queue_is_not_claimed_by_any_worker() {
    for db in each().await {
        let both = |worker| {
            let queues = vec!["logins".to_owned(), "mail".to_owned()];
            db.queue_with(Options { queues, ..options(worker) })
        };
        let (ann, bob) = (both("ann"), both("bob"));
        let (mail, login) = (job(), login());
        db.enqueue(vec![mail.clone(), login.clone()]).await;
        pause(&db.write, "mail", "ada", Some("storm"), noon()).await.unwrap();
        let got = ann.claim(noon(), 10).await.unwrap();
        assert_eq!(got.iter().map(|job| job.id).collect::<Vec<_>>(), [login.id]);
        assert!(bob.claim(noon(), 10).await.unwrap().is_empty(), "{:?}", db.engine);
        assert!(resume(&db.write, "mail").await.unwrap());
        assert_eq!(bob.claim(noon(), 10).await.unwrap()[0].id, mail.id);
        assert!(!resume(&db.write, "mail").await.unwrap(), "it was not paused");
    }
}

#[tokio::test]
async fn a_pause_records_the_operator_the_reason_and_the_time() {
    for db in each().await {
        pause(&db.write, "mail", "ada", Some("storm"), noon()).await.unwrap();
        pause(&db.write, "mail", "bob", None, after(noon(), 9_000)).await.unwrap();
        let (name, pause) = inspect::pauses(&db.read).await.unwrap().remove(0);
        assert_eq!((name.as_str(), pause.at), ("mail", noon()), "{:?}", db.engine);
        assert_eq!((pause.by.as_deref(), pause.reason), (Some("bob"), None));
        resume(&db.write, "mail").await.unwrap();
        assert!(inspect::pauses(&db.read).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn pausing_is_part_of_the_callers_transaction() {
    for db in each().await {
        db.enqueue(vec![job()]).await;
        let transaction = db.write.begin().await.unwrap();
        pause(&transaction, "mail", "ada", None, noon()).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(db.queue("ann").claim(noon(), 1).await.unwrap().len(), 1, "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resuming_wakes_the_worker() {
    async fn handle(_: ClaimedJob) {}
    for db in each().await {
        let queue = db.queue_with(Options { poll: Duration::from_mins(10), ..options("ann") });
        pause(&db.write, "mail", "ada", None, noon()).await.unwrap();
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        db.statements.lock().unwrap().clear();
        let (worker, end) = start!(QueueBackend::new(queue.clone()), (), handle);
        wait_until("the worker has polled", || async {
            let sent = db.statements.lock().unwrap();
            sent.iter().any(|s| s.sql.starts_with("SELECT") && s.sql.contains("job_queues"))
        })
        .await;
        assert_eq!(db.state(job.id).await, "ready", "{:?}", db.engine);
        assert!(resume(&db.write, "mail").await.unwrap());
        queue.options().waker.wake();
        wait_for_state(&db, job.id, "done").await;
        stop(worker, end).await;
    }
}
