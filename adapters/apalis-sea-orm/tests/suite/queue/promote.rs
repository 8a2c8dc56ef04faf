//! Jobs become claimable when they are due.

use apalis_sea_orm::{AttemptOutcome, NewJob};

use crate::harness::{after, attempt_result, each, job, noon};

#[tokio::test]
async fn a_scheduled_job_is_promoted_when_it_is_due() {
    for db in each().await {
        let at = |delay| NewJob { run_at: after(noon(), delay), ..job() };
        let (sooner, later) = (at(1_000), at(2_000));
        db.enqueue(vec![later.clone(), sooner.clone()]).await;
        let queue = db.queue("ann");
        assert_eq!(queue.next_due().await.unwrap(), Some(sooner.run_at));
        assert_eq!(queue.promote(after(noon(), 999)).await.unwrap(), 0);
        assert!(queue.claim(after(noon(), 999), 10).await.unwrap().is_empty());

        assert_eq!(queue.promote(after(noon(), 1_000)).await.unwrap(), 1);
        assert_eq!(queue.next_due().await.unwrap(), Some(later.run_at));
        let got = queue.claim(after(noon(), 1_000), 10).await.unwrap();
        assert_eq!(got.iter().map(|job| job.id).collect::<Vec<_>>(), [sooner.id]);
        assert_eq!(db.state(later.id).await, "scheduled", "{:?}", db.engine);
    }
}

#[tokio::test]
async fn a_retrying_job_is_promoted_when_it_is_due() {
    for db in each().await {
        db.enqueue(vec![job()]).await;
        let queue = db.queue("ann");
        let claimed = queue.claim(noon(), 1).await.unwrap().remove(0);
        let at = after(noon(), 5_000);
        let retry = attempt_result(&claimed, AttemptOutcome::Retry { at });
        db.settle(&[retry]).await;
        assert_eq!(queue.next_due().await.unwrap(), Some(at));
        assert_eq!(queue.promote(noon()).await.unwrap(), 0);
        assert_eq!(queue.promote(at).await.unwrap(), 1);
        assert_eq!(queue.claim(at, 1).await.unwrap()[0].number, 2);
    }
}

#[tokio::test]
async fn many_due_jobs_are_promoted_in_batches_by_one_call() {
    for db in each().await {
        let due = (0..1_700).map(|_| NewJob { run_at: after(noon(), 1), ..job() });
        db.enqueue(due.collect()).await;
        let (ann, bob) = (db.queue("ann"), db.queue("bob"));
        let now = after(noon(), 1);
        let (by_ann, by_bob) = tokio::join!(ann.promote(now), bob.promote(now));
        assert_eq!(by_ann.unwrap() + by_bob.unwrap(), 1_700, "{:?}", db.engine);
        assert_eq!(ann.next_due().await.unwrap(), None);
    }
}
