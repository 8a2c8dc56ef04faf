//! Dismissed jobs are no longer dead.

use apalis_sea_orm::{
    AttemptOutcome, JobFilter, NewJob, count_matching, dismiss_by_key, inspect, retry,
};

use crate::harness::{TestDb, after, each, job, noon, settle_one};

fn keyed(key: &str) -> NewJob {
    NewJob { unique_key: Some(key.to_owned()), ..job() }
}

async fn count_dead(db: &TestDb) -> u64 {
    let dead = JobFilter { state: Some("dead".to_owned()), ..JobFilter::default() };
    count_matching(&db.read, &dead, &["dead"]).await.unwrap()
}

#[tokio::test]
async fn the_dead_job_of_a_key_is_cancelled_and_others_are_unchanged() {
    for db in each().await {
        let six = ["a", "b", "retrying", "done", "running", "ready"].map(keyed).to_vec();
        db.enqueue(six.clone()).await;
        let given_up = settle_one(&db, AttemptOutcome::Dead, Some("rejected")).await.id;
        settle_one(&db, AttemptOutcome::Dead, Some("rejected")).await;
        let at = after(noon(), 60_000);
        settle_one(&db, AttemptOutcome::Retry { at }, Some("unavailable")).await;
        settle_one(&db, AttemptOutcome::Done, None).await;
        let running = db.queue("ann").claim(noon(), 1).await.unwrap();
        let mut before = Vec::new();
        for job in &six {
            before.push(db.job(job.id).await);
        }

        let keys = ["a", "retrying", "done", "running", "ready", "nobody's", "A"];
        let now = after(noon(), 5_000);
        for key in keys {
            let is_dismissed = dismiss_by_key(&db.write, key, now).await.unwrap();
            assert_eq!(is_dismissed, key == "a", "{:?}: {key}", db.engine);
        }

        let row = db.job(given_up).await;
        assert_eq!(row.state, "cancelled", "{:?}", db.engine);
        assert_eq!(row.finished_at, Some(now.as_microsecond()));
        assert_eq!(row.unique_key.as_deref(), Some("a"));
        assert_eq!(db.attempts(given_up).await.len(), 1, "attempts are kept");
        for before in &before[1..] {
            assert_eq!(db.job(before.id).await, *before, "{:?}", db.engine);
        }
        assert_eq!(running[0].id, six[4].id);
        assert_eq!(count_dead(&db).await, 1, "{:?}", db.engine);
        let errors = inspect::errors(&db.read).await.unwrap();
        let rejected = errors.iter().find(|group| group.code.as_deref() == Some("rejected"));
        assert_eq!(rejected.map(|group| group.dead), Some(1), "{:?}", db.engine);
        assert!(!dismiss_by_key(&db.write, "a", now).await.unwrap(), "{:?}: again", db.engine);
        assert_eq!(db.job(given_up).await, row);
    }
}

#[tokio::test]
async fn a_dismissed_job_can_be_retried() {
    for db in each().await {
        db.enqueue(vec![keyed("a")]).await;
        let job = settle_one(&db, AttemptOutcome::Dead, Some("rejected")).await;
        assert!(dismiss_by_key(&db.write, "a", noon()).await.unwrap());

        assert!(retry(&db.write, job.id, noon()).await.unwrap());

        let again = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!((again.id, again.number, again.fence), (job.id, 1, 3), "{:?}", db.engine);
        assert_eq!(db.job(job.id).await.unique_key.as_deref(), Some("a"));
    }
}
