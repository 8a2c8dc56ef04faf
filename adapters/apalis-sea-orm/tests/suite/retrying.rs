//! An operator's retry gives a job all its attempts anew, and takes nothing from it.

use std::sync::Once;

use apalis_sea_orm::{
    Failure, JobFilter, NewJob, Outcome, Queue, Retried, Settlement, Unique, cancel,
    count_matching, entity::state::RETRYABLE, retry, retry_at, retry_matching, settle,
};
use tokio::{runtime::Handle, task::block_in_place};

use crate::harness::{after, each, ids, job, jobs, noon, options, settle_one, settlement};

#[tokio::test]
async fn dead_cancelled_and_retrying_jobs_are_ready_again_and_others_are_left() {
    for db in each().await {
        let keyed = |key: &str| NewJob { unique_key: Some(key.to_owned()), ..job() };
        let five = ["a", "b", "c", "d", "e"].map(keyed).to_vec();
        db.put(five.clone()).await;
        let dead = settle_one(&db, Outcome::Dead, Some("rejected")).await;
        let at = after(noon(), 60_000);
        let retrying = settle_one(&db, Outcome::Retry { at }, Some("unavailable")).await;
        let done = settle_one(&db, Outcome::Done, None).await;
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
        assert_eq!(db.attempts(dead.id).await.len(), 1, "what happened stays");
        assert_eq!(db.state(done.id).await, "done");
        assert_eq!(db.state(running.id).await, "running");
        let again = db.queue("ann").claim(now, 1).await.unwrap().remove(0);
        assert_eq!((again.number, again.fence), (1, 2));
    }
}

#[tokio::test]
async fn what_is_retried_for_a_later_time_is_scheduled_until_then() {
    for db in each().await {
        let keyed = |key: &str| NewJob { unique_key: Some(key.to_owned()), ..job() };
        let three = ["a", "b", "c"].map(keyed).to_vec();
        db.put(three.clone()).await;
        settle_one(&db, Outcome::Dead, Some("rejected")).await;
        let soon = Outcome::Retry { at: after(noon(), 1_000) };
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
        queue.stage(early).await.unwrap();
        assert!(queue.claim(early, 9).await.unwrap().is_empty(), "{:?}: too early", db.engine);
        queue.stage(at).await.unwrap();
        let claimed = queue.claim(at, 9).await.unwrap();
        assert!(claimed.iter().all(|job| job.number == 1 && job.run_at == at));
        assert_eq!(claimed.len(), 3, "{:?}", db.engine);
    }
}

/// Between the look at the jobs and the writing, a worker takes one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_took_meanwhile_is_not_said_to_be_retried() {
    for (later, db) in [(false, each().await), (true, each().await)]
        .into_iter()
        .flat_map(|(later, all)| all.into_iter().map(move |db| (later, db)))
    {
        let two = jobs(2);
        db.put(two.clone()).await;
        let dead = settle_one(&db, Outcome::Dead, None).await;
        let at = after(noon(), 1_000);
        let retrying = settle_one(&db, Outcome::Retry { at }, Some("unavailable")).await;
        let bob = Queue::new(db.read.clone(), db.read.clone(), options("bob"));
        let (once, mut conn) = (Once::new(), db.write.clone());
        conn.set_metric_callback(move |_| {
            once.call_once(|| {
                let taken = async {
                    bob.stage(at).await.unwrap();
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
async fn a_key_that_is_anothers_by_now_stays_the_others() {
    for db in each().await {
        let key = Unique::WhileUnfinished { key: "sync:ada".to_owned() }.key(noon());
        let keyed = || NewJob { unique_key: Some(key.clone()), ..job() };
        let first = keyed();
        db.put(vec![first.clone()]).await;
        settle_one(&db, Outcome::Dead, None).await;
        let second = keyed();
        db.put(vec![second.clone()]).await;
        let plain = jobs(3);
        db.put(plain.clone()).await;
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
async fn all_that_match_are_retried_and_counted_before() {
    for db in each().await {
        db.put(jobs(450)).await;
        let claimed = db.queue("ann").claim(noon(), 450).await.unwrap();
        let code = |n: usize| if n < 420 { "rejected" } else { "broken" };
        let group = claimed.iter().enumerate().map(|(n, job)| Settlement {
            error: Some(Failure { code: code(n).into(), message: "no".into(), request_id: None }),
            ..settlement(job, Outcome::Dead)
        });
        let _ = settle(&db.write, &group.collect::<Vec<_>>()).await.unwrap();
        let filter = JobFilter { error_code: Some("rejected".to_owned()), ..JobFilter::default() };
        assert_eq!(count_matching(&db.read, &filter, &RETRYABLE).await.unwrap(), 420);
        let retried = retry_matching(&db.write, &filter, noon()).await.unwrap();
        assert_eq!((retried.ready.len(), retried.key_taken.len()), (420, 0), "{:?}", db.engine);
        let all = JobFilter::default();
        assert_eq!(count_matching(&db.read, &all, &RETRYABLE).await.unwrap(), 30);
    }
}
