//! An operator's retry gives a job all its attempts anew, and takes nothing from it.

use apalis_sea_orm::{
    Failure, JobFilter, NewJob, Outcome, Retried, Settlement, Unique, cancel, count_matching,
    entity::state::RETRYABLE, retry, retry_matching, settle,
};

use crate::harness::{after, each, ids, job, jobs, noon, settle_one, settlement};

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
