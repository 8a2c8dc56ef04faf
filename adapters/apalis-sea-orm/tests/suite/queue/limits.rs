//! Limits of a worker's slots by queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use apalis_core::task::data::Data;
use apalis_sea_orm::{ClaimedJob, NewJob, Options, QueueBackend, QueueLimit};

use crate::harness::{TestDb, each, job, noon, options, start, stop, wait_until};

fn limited(db: &TestDb, worker: &str) -> apalis_sea_orm::JobQueue {
    let queues = vec!["mail".to_owned(), "logins".to_owned()];
    let limits = vec![QueueLimit { queues: vec!["mail".to_owned()], jobs: 2 }];
    db.queue_with(Options { queues, limits, ..options(worker) })
}

async fn enqueue_both(db: &TestDb, mail: usize, logins: usize) {
    let of = |queue: &str, priority| NewJob { queue: queue.to_owned(), priority, ..job() };
    let mail = (0..mail).map(|_| of("mail", 0));
    db.enqueue(mail.chain((0..logins).map(|_| of("logins", 1))).collect()).await;
}

#[tokio::test]
async fn a_claim_respects_the_limit_of_a_queue() {
    for db in each().await {
        enqueue_both(&db, 5, 3).await;
        let queue = limited(&db, "ann");
        let of = |jobs: &[ClaimedJob], name: &str| jobs.iter().filter(|j| j.queue == name).count();
        let mut first = queue.claim(noon(), 4).await.unwrap();
        assert_eq!((of(&first, "mail"), of(&first, "logins")), (2, 2), "{:?}", db.engine);
        let second = queue.claim(noon(), 4).await.unwrap();
        assert_eq!((of(&second, "mail"), of(&second, "logins")), (0, 1));
        first.remove(0);
        assert_eq!(of(&queue.claim(noon(), 4).await.unwrap(), "mail"), 1, "after one has ended");
        assert_eq!(
            limited(&db, "bob").claim(noon(), 4).await.unwrap().len(),
            2,
            "the limit is per worker"
        );
    }
}

#[tokio::test]
async fn queues_can_share_a_limit() {
    for db in each().await {
        enqueue_both(&db, 3, 3).await;
        let both = vec!["mail".to_owned(), "logins".to_owned()];
        let limits = vec![QueueLimit { queues: both.clone(), jobs: 4 }];
        let queue = db.queue_with(Options { queues: both, limits, ..options("ann") });
        let first = queue.claim(noon(), 6).await.unwrap();
        assert_eq!(first.len(), 4, "{:?}", db.engine);
        assert!(queue.claim(noon(), 6).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_job_whose_slot_is_freed_stays_leased_and_counts_no_more() {
    for db in each().await {
        enqueue_both(&db, 3, 0).await;
        let queue = limited(&db, "ann");
        let first = queue.claim(noon(), 4).await.unwrap();
        let free = queue.free_slots();
        first[0].lease.free_slot();
        assert_eq!(queue.free_slots(), free + 1);
        assert!(first[0].lease.is_valid());
        assert_eq!(queue.claim(noon(), 4).await.unwrap().len(), 1, "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_runs_no_more_jobs_of_a_queue_than_its_limit() {
    #[derive(Default)]
    struct Counts {
        mail: AtomicUsize,
        most: AtomicUsize,
        done: AtomicUsize,
    }
    async fn handle(job: ClaimedJob, seen: Data<Arc<Counts>>) {
        let mail = usize::from(job.queue == "mail");
        let now = seen.mail.fetch_add(mail, Ordering::SeqCst) + mail;
        seen.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(3)).await;
        seen.mail.fetch_sub(mail, Ordering::SeqCst);
        seen.done.fetch_add(1, Ordering::SeqCst);
    }
    for db in each().await {
        enqueue_both(&db, 40, 40).await;
        let seen = Arc::new(Counts::default());
        let (worker, end) = start!(QueueBackend::new(limited(&db, "ann")), seen.clone(), handle);
        wait_until("all jobs are done", || async { seen.done.load(Ordering::SeqCst) == 80 }).await;
        assert_eq!(seen.most.load(Ordering::SeqCst), 2, "{:?}", db.engine);
        stop(worker, end).await;
    }
}
