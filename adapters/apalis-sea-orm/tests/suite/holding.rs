//! A worker that holds queues leaves them to others.

use std::time::Duration;

use apalis_sea_orm::{Claimed, NewJob, Options, QueueBackend};

use crate::harness::{each, is, job, noon, options, start};

#[tokio::test]
async fn a_held_queue_is_left_to_others() {
    for db in each().await {
        db.put(vec![job()]).await;
        let (ann, bob) = (db.queue("ann"), db.queue("bob"));
        ann.hold(&["mail"]);
        assert!(ann.is_held("mail") && !bob.is_held("mail"));
        assert!(ann.claim(noon(), 1).await.unwrap().is_empty(), "{:?}", db.engine);
        assert_eq!(bob.claim(noon(), 1).await.unwrap().len(), 1);
        ann.release(&["mail"]);
        db.put(vec![job()]).await;
        assert_eq!(ann.claim(noon(), 1).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releasing_wakes_the_worker() {
    async fn perform(_: Claimed) {}
    for db in each().await {
        let queues = vec!["mail".to_owned(), "logins".to_owned()];
        let poll = Duration::from_mins(10);
        let queue = db.queue_with(Options { poll, queues, ..options("ann") });
        queue.hold(&["mail"]);
        let (held, free) = (job(), NewJob { queue: "logins".to_owned(), ..job() });
        db.put(vec![held.clone(), free.clone()]).await;
        let (worker, end) = start!(QueueBackend::new(queue.clone()), (), perform);
        is(&db, free.id, "done").await;
        assert_eq!(db.state(held.id).await, "ready", "{:?}", db.engine);
        queue.release(&["mail"]);
        is(&db, held.id, "done").await;
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}
