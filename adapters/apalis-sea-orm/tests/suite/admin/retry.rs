//! Retries by operators restore all attempts and keep a job's data.

use std::sync::Once;

use apalis_sea_orm::{
    AttemptError, AttemptOutcome, AttemptResult, JobFilter, JobQueue, NewJob, Retried, Unique,
    cancel, count_matching, entity::state::RETRYABLE, retry, retry_at, retry_matching, retry_now,
};
use tokio::{runtime::Handle, task::block_in_place};

use crate::harness::{after, attempt_result, each, ids, job, jobs, noon, options, settle_one};

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
        cancel(&db.write, &[five[4].id], noon()).await.unwrap();

        let now = after(noon(), 5_000);
        let mut retried = retry(&db.write, &ids(&five), now).await.unwrap();
        retried.ready.sort();
        let ready = vec![dead.id, retrying.id, five[4].id];
        assert_eq!(retried, Retried { ready: ready.clone(), key_taken: vec![] });
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
        assert_eq!((again.number, again.fence), (1, 2));
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
        cancel(&db.write, &[three[2].id], noon()).await.unwrap();

        let at = after(noon(), 60_000);
        let mut retried = retry_at(&db.write, &ids(&three), at).await.unwrap();
        retried.ready.sort();
        assert_eq!(retried, Retried { ready: ids(&three), key_taken: vec![] }, "{:?}", db.engine);
        for job in &three {
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

/// A worker claims one of the jobs between the SELECT and the UPDATE.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_claimed_during_a_retry_is_not_reported_as_retried() {
    for (later, db) in [(false, each().await), (true, each().await)]
        .into_iter()
        .flat_map(|(later, all)| all.into_iter().map(move |db| (later, db)))
    {
        let two = jobs(2);
        db.enqueue(two.clone()).await;
        let dead = settle_one(&db, AttemptOutcome::Dead, None).await;
        let at = after(noon(), 1_000);
        let retrying = settle_one(&db, AttemptOutcome::Retry { at }, Some("unavailable")).await;
        let bob = JobQueue::new(db.read.clone(), db.read.clone(), options("bob"));
        let (once, mut conn) = (Once::new(), db.write.clone());
        conn.set_metric_callback(move |_| {
            once.call_once(|| {
                let taken = async {
                    bob.promote(at).await.unwrap();
                    bob.claim(at, 1).await.unwrap()
                };
                let taken = block_in_place(|| Handle::current().block_on(taken));
                assert_eq!((taken.len(), taken[0].id), (1, retrying.id));
            });
        });

        let retried = if later {
            retry_at(&conn, &ids(&two), after(noon(), 9_000)).await.unwrap()
        } else {
            retry(&conn, &ids(&two), noon()).await.unwrap()
        };

        assert_eq!(retried, Retried { ready: vec![dead.id], key_taken: vec![] }, "{:?}", db.engine);
        let row = db.job(retrying.id).await;
        assert_eq!((row.state.as_str(), row.fence, row.attempts), ("running", 2, 2));
    }
}

#[tokio::test]
async fn a_retry_does_not_take_a_key_from_another_job() {
    for db in each().await {
        let key = Unique::WhileUnfinished { key: "sync:ada".to_owned() }.key(noon());
        let keyed = || NewJob { unique_key: Some(key.clone()), ..job() };
        let first = keyed();
        db.enqueue(vec![first.clone()]).await;
        settle_one(&db, AttemptOutcome::Dead, None).await;
        let second = keyed();
        db.enqueue(vec![second.clone()]).await;
        let plain = jobs(3);
        db.enqueue(plain.clone()).await;
        cancel(&db.write, &ids(&plain), noon()).await.unwrap();

        let mut all = ids(&plain);
        all.insert(1, first.id);
        let mut retried = retry(&db.write, &all, noon()).await.unwrap();
        retried.ready.sort();
        assert_eq!(retried, Retried { ready: ids(&plain), key_taken: vec![first.id] });
        assert_eq!(db.state(first.id).await, "dead", "{:?}", db.engine);

        cancel(&db.write, &[second.id], noon()).await.unwrap();
        assert_eq!(retry(&db.write, &[first.id], noon()).await.unwrap().ready, [first.id]);
        assert_eq!(db.job(first.id).await.unique_key, Some(key));
    }
}

#[tokio::test]
async fn all_matching_jobs_are_counted_and_retried() {
    for db in each().await {
        db.enqueue(jobs(450)).await;
        let claimed = db.queue("ann").claim(noon(), 450).await.unwrap();
        let code = |n: usize| if n < 420 { "rejected" } else { "broken" };
        let group = claimed.iter().enumerate().map(|(n, job)| AttemptResult {
            error: Some(AttemptError {
                code: code(n).into(),
                message: "no".into(),
                request_id: None,
            }),
            ..attempt_result(job, AttemptOutcome::Dead)
        });
        db.settle(&group.collect::<Vec<_>>()).await;
        let filter = JobFilter { error_code: Some("rejected".to_owned()), ..JobFilter::default() };
        assert_eq!(count_matching(&db.read, &filter, &RETRYABLE).await.unwrap(), 420);
        let retried = retry_matching(&db.write, &filter, noon()).await.unwrap();
        assert_eq!((retried.ready.len(), retried.key_taken.len()), (420, 0), "{:?}", db.engine);
        let all = JobFilter::default();
        assert_eq!(count_matching(&db.read, &all, &RETRYABLE).await.unwrap(), 30);
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
