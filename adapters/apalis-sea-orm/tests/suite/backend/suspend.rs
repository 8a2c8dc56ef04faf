//! A worker that suspends queues leaves them to others.

use std::time::Duration;

use apalis_sea_orm::{ClaimedJob, NewJob, Options, QueueBackend};

use crate::harness::{each, job, noon, options, start, stop, wait_for_state};

#[tokio::test]
async fn a_suspended_queue_is_claimed_by_other_workers_only() {
    for db in each().await {
        db.enqueue(vec![job()]).await;
        let (ann, bob) = (db.queue("ann"), db.queue("bob"));
        ann.suspend(&["mail"]);
        assert!(ann.is_suspended("mail") && !bob.is_suspended("mail"));
        assert!(ann.claim(noon(), 1).await.unwrap().is_empty(), "{:?}", db.engine);
        assert_eq!(bob.claim(noon(), 1).await.unwrap().len(), 1);
        ann.unsuspend(&["mail"]);
        db.enqueue(vec![job()]).await;
        assert_eq!(ann.claim(noon(), 1).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsuspending_wakes_the_worker() {
    async fn handle(_: ClaimedJob) {}
    for db in each().await {
        let queues = vec!["mail".to_owned(), "logins".to_owned()];
        let poll = Duration::from_mins(10);
        let queue = db.queue_with(Options { poll, queues, ..options("ann") });
        queue.suspend(&["mail"]);
        let (held, free) = (job(), NewJob { queue: "logins".to_owned(), ..job() });
        db.enqueue(vec![held.clone(), free.clone()]).await;
        let (worker, end) = start!(QueueBackend::new(queue.clone()), (), handle);
        wait_for_state(&db, free.id, "done").await;
        assert_eq!(db.state(held.id).await, "ready", "{:?}", db.engine);
        queue.unsuspend(&["mail"]);
        wait_for_state(&db, held.id, "done").await;
        stop(worker, end).await;
    }
}
