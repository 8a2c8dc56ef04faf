//! What failed is due at once when the reason for it is over.

use apalis_sea_orm::{NewJob, Outcome, hasten};

use crate::harness::{after, each, job, jobs, noon, settle_one};

#[tokio::test]
async fn what_waits_after_a_failure_is_due_at_once_and_the_rest_is_left() {
    for db in each().await {
        db.put(jobs(2)).await;
        let later = after(noon(), 60_000);
        for _ in 0..2 {
            settle_one(&db, Outcome::Retry { at: later }, Some("unavailable")).await;
        }
        let put_off = NewJob { run_at: later, ..job() };
        db.put(vec![put_off.clone()]).await;

        let others = ["others".to_owned()];
        assert_eq!(hasten(&db.write, &others, noon()).await.unwrap(), 0, "{:?}", db.engine);
        let queues = [put_off.queue.clone()];
        assert_eq!(hasten(&db.write, &queues, noon()).await.unwrap(), 2, "{:?}", db.engine);
        let queue = db.queue("ann");
        queue.stage(noon()).await.unwrap();
        let claimed = queue.claim(noon(), 10).await.unwrap();
        assert_eq!(claimed.len(), 2, "{:?}", db.engine);
        assert!(claimed.iter().all(|job| job.number == 2), "charged");
        assert_eq!(db.state(put_off.id).await, "scheduled");
        assert_eq!(hasten(&db.write, &queues, noon()).await.unwrap(), 0);
    }
}
