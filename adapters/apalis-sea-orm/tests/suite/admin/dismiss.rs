//! Dismissed jobs are no longer dead.

use apalis_sea_orm::{
    AttemptOutcome, AttemptResult, JobFilter, NewJob, Unique, count_matching, dismiss_by_key,
    inspect, retry,
};

use crate::harness::{
    TestDb, after, attempt_error, attempt_result, each, ids, job, noon, settle_one,
};

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
        let keys = keys.map(str::to_owned);
        let now = after(noon(), 5_000);
        assert_eq!(dismiss_by_key(&db.write, &keys, now).await.unwrap(), 1, "{:?}", db.engine);

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
        assert_eq!(
            dismiss_by_key(&db.write, &keys, now).await.unwrap(),
            0,
            "{:?}: again",
            db.engine
        );
        assert_eq!(db.job(given_up).await, row);
    }
}

#[tokio::test]
async fn a_dismissed_job_can_be_retried() {
    for db in each().await {
        db.enqueue(vec![keyed("a")]).await;
        let job = settle_one(&db, AttemptOutcome::Dead, Some("rejected")).await;
        dismiss_by_key(&db.write, &["a".to_owned()], noon()).await.unwrap();

        assert_eq!(retry(&db.write, &[job.id], noon()).await.unwrap().ready, [job.id]);

        let again = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        assert_eq!((again.id, again.number, again.fence), (job.id, 1, 2), "{:?}", db.engine);
        assert_eq!(db.job(job.id).await.unique_key.as_deref(), Some("a"));
    }
}

#[tokio::test]
async fn a_freed_key_does_not_match_its_dead_job() {
    for db in each().await {
        let key = Unique::WhileUnfinished { key: "sync:ada".to_owned() }.key(noon());
        db.enqueue(vec![keyed(&key)]).await;
        let first = settle_one(&db, AttemptOutcome::Dead, None).await;
        assert_eq!(dismiss_by_key(&db.write, &[key], noon()).await.unwrap(), 0, "{:?}", db.engine);
        assert_eq!(db.state(first.id).await, "dead");
    }
}

#[tokio::test]
async fn hundreds_of_jobs_are_dismissed_by_one_call() {
    for db in each().await {
        let key = |n: usize| format!("key {n}");
        let keyed: Vec<_> = (0..450).map(|n| keyed(&key(n))).collect();
        db.enqueue(keyed.clone()).await;
        let claimed = db.queue("ann").claim(noon(), 450).await.unwrap();
        let all = claimed.iter().map(|job| AttemptResult {
            error: Some(attempt_error("rejected")),
            ..attempt_result(job, AttemptOutcome::Dead)
        });
        db.settle(&all.collect::<Vec<_>>()).await;

        let keys: Vec<_> = (0..430).map(key).collect();
        assert_eq!(dismiss_by_key(&db.write, &keys, noon()).await.unwrap(), 430, "{:?}", db.engine);
        assert_eq!(dismiss_by_key(&db.write, &[], noon()).await.unwrap(), 0);
        assert_eq!(count_dead(&db).await, 20, "{:?}", db.engine);
        let last = *ids(&keyed).last().unwrap();
        assert_eq!(db.state(last).await, "dead");
    }
}
