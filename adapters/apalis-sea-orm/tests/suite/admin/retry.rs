//! Retries by operators restore all attempts and keep a job's data.

use apalis_sea_orm::{AttemptOutcome, NewJob, cancel, retry, retry_at, retry_now};

use crate::harness::{after, each, job, jobs, noon, settle_one};

#[tokio::test]
async fn dead_cancelled_and_retrying_jobs_become_ready_and_others_are_unchanged() {
    for db in each().await {
        let keyed = |key: &str| NewJob { unique_key: Some(key.to_owned()), ..job() };
        let five = ["a", "b", "c", "d", "e"].map(keyed).to_vec();
        db.enqueue(five.clone()).await;
        let dead = settle_one(&db, AttemptOutcome::Dead, Some("rejected")).await;
        let at = after(noon(), 60_000);
        let retrying = settle_one(&db, AttemptOutcome::Retry { at }, Some("unavailable")).await;
        let done = settle_one(&db, AttemptOutcome::Done, None).await;
        let running = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        cancel(&db.write, five[4].id, noon()).await.unwrap();

        let now = after(noon(), 5_000);
        let ready = [dead.id, retrying.id, five[4].id];
        for job in &five {
            let is_retried = retry(&db.write, job.id, now).await.unwrap();
            assert_eq!(is_retried, ready.contains(&job.id), "{:?}", db.engine);
        }
        for (id, key) in ready.iter().zip(["a", "b", "e"]) {
            let row = db.job(*id).await;
            assert_eq!((row.state.as_str(), row.attempts), ("ready", 0), "{:?}", db.engine);
            assert_eq!(
                (row.run_at, row.created_at),
                (now.as_microsecond(), noon().as_microsecond())
            );
            assert_eq!((row.unique_key.as_deref(), row.finished_at), (Some(key), None));
            assert_eq!(row.cancel_requested_at, None);
        }
        assert_eq!(db.attempts(dead.id).await.len(), 1, "attempts are kept");
        assert_eq!(db.state(done.id).await, "done");
        assert_eq!(db.state(running.id).await, "running");
        let again = db.queue("ann").claim(now, 1).await.unwrap().remove(0);
        // Its two claims and the retry have raised the fence.
        assert_eq!((again.number, again.fence), (1, 3));
    }
}

#[tokio::test]
async fn a_job_retried_at_a_later_time_is_scheduled_until_then() {
    for db in each().await {
        let keyed = |key: &str| NewJob { unique_key: Some(key.to_owned()), ..job() };
        let three = ["a", "b", "c"].map(keyed).to_vec();
        db.enqueue(three.clone()).await;
        settle_one(&db, AttemptOutcome::Dead, Some("rejected")).await;
        let soon = AttemptOutcome::Retry { at: after(noon(), 1_000) };
        settle_one(&db, soon, Some("unavailable")).await;
        cancel(&db.write, three[2].id, noon()).await.unwrap();

        let at = after(noon(), 60_000);
        for job in &three {
            assert!(retry_at(&db.write, job.id, at).await.unwrap(), "{:?}", db.engine);
            let row = db.job(job.id).await;
            assert_eq!((row.state.as_str(), row.attempts), ("scheduled", 0), "{:?}", db.engine);
            assert_eq!((row.run_at, row.finished_at), (at.as_microsecond(), None));
            assert_eq!((row.unique_key, row.cancel_requested_at), (job.unique_key.clone(), None));
        }
        let queue = db.queue("ann");
        let early = after(noon(), 59_999);
        queue.promote(early).await.unwrap();
        assert!(queue.claim(early, 9).await.unwrap().is_empty(), "{:?}: too early", db.engine);
        queue.promote(at).await.unwrap();
        let claimed = queue.claim(at, 9).await.unwrap();
        assert!(claimed.iter().all(|job| job.number == 1 && job.run_at == at));
        assert_eq!(claimed.len(), 3, "{:?}", db.engine);
    }
}

#[tokio::test]
async fn retry_now_makes_retrying_jobs_due_and_leaves_others_unchanged() {
    for db in each().await {
        db.enqueue(jobs(2)).await;
        let later = after(noon(), 60_000);
        for _ in 0..2 {
            settle_one(&db, AttemptOutcome::Retry { at: later }, Some("unavailable")).await;
        }
        let put_off = NewJob { run_at: later, ..job() };
        db.enqueue(vec![put_off.clone()]).await;

        let others = ["others".to_owned()];
        assert_eq!(retry_now(&db.write, &others, noon()).await.unwrap(), 0, "{:?}", db.engine);
        let queues = [put_off.queue.clone()];
        assert_eq!(retry_now(&db.write, &queues, noon()).await.unwrap(), 2, "{:?}", db.engine);
        let queue = db.queue("ann");
        queue.promote(noon()).await.unwrap();
        let claimed = queue.claim(noon(), 10).await.unwrap();
        assert_eq!(claimed.len(), 2, "{:?}", db.engine);
        assert!(claimed.iter().all(|job| job.number == 2), "charged");
        assert_eq!(db.state(put_off.id).await, "scheduled");
        assert_eq!(retry_now(&db.write, &queues, noon()).await.unwrap(), 0);
    }
}
