//! Unique keys: permanent, within a window, and while unfinished.

use std::time::Duration;

use apalis_sea_orm::{AttemptOutcome, Enqueued, NewJob, QueueBackend, Unique, cancel, enqueue};

use crate::harness::{TestDb, after, each, job, noon, settle_one, start, stop, wait_for_state};

async fn enqueue_key(db: &TestDb, unique: &Unique, milliseconds: u64) -> Enqueued {
    let unique_key = Some(unique.key(after(noon(), milliseconds)));
    enqueue(&db.write, NewJob { unique_key, ..job() }).await.unwrap()
}

#[tokio::test]
async fn a_permanent_key_stays_taken_after_its_job_ends() {
    for db in each().await {
        let unique = Unique::Forever { key: "welcome:ada".to_owned() };
        assert_eq!(enqueue_key(&db, &unique, 0).await, Enqueued::New);
        settle_one(&db, AttemptOutcome::Done, None).await;
        assert_eq!(
            enqueue_key(&db, &unique, 99_000_000).await,
            Enqueued::Duplicate,
            "{:?}",
            db.engine
        );
    }
}

#[tokio::test]
async fn a_key_within_a_window_is_free_in_the_next_window() {
    for db in each().await {
        let every = Duration::from_mins(1);
        let unique = Unique::Within { key: "digest:ada".to_owned(), every };
        assert_eq!(enqueue_key(&db, &unique, 0).await, Enqueued::New);
        assert_eq!(enqueue_key(&db, &unique, 59_999).await, Enqueued::Duplicate);
        assert_eq!(enqueue_key(&db, &unique, 60_000).await, Enqueued::New, "{:?}", db.engine);
        let hourly = Unique::Within { key: "digest:ada".to_owned(), every: every * 60 };
        assert_eq!(
            enqueue_key(&db, &hourly, 0).await,
            Enqueued::New,
            "another window, another key"
        );
    }
}

#[tokio::test]
async fn a_key_while_unfinished_is_free_once_the_job_has_ended() {
    for db in each().await {
        let unique = Unique::WhileUnfinished { key: "sync:ada".to_owned() };
        for outcome in [AttemptOutcome::Done, AttemptOutcome::Dead, AttemptOutcome::Cancelled] {
            assert_eq!(enqueue_key(&db, &unique, 0).await, Enqueued::New, "{outcome:?}");
            assert_eq!(enqueue_key(&db, &unique, 0).await, Enqueued::Duplicate);
            let at = noon();
            for unfinished in [AttemptOutcome::Retry { at }, AttemptOutcome::Snooze { at }] {
                settle_one(&db, unfinished, None).await;
                assert_eq!(
                    enqueue_key(&db, &unique, 0).await,
                    Enqueued::Duplicate,
                    "{:?}",
                    db.engine
                );
                db.queue("ann").promote(noon()).await.unwrap();
            }
            let ended = settle_one(&db, outcome, None).await;
            let row = db.job(ended.id).await;
            assert_eq!((row.unique_key, row.freed_key), (None, Some(unique.key(noon()))));
        }
        assert_eq!(enqueue_key(&db, &unique, 0).await, Enqueued::New);
        let job = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
        db.queue("ann").release(&[(job.id, job.fence)]).await.unwrap();
        assert_eq!(
            enqueue_key(&db, &unique, 0).await,
            Enqueued::Duplicate,
            "a released job is unfinished"
        );
        cancel(&db.write, &[job.id], noon()).await.unwrap();
        assert_eq!(enqueue_key(&db, &unique, 0).await, Enqueued::New, "{:?}", db.engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_frees_the_key_of_a_finished_job() {
    async fn handle(_: apalis_sea_orm::ClaimedJob) {}
    for db in each().await {
        let unique = Unique::WhileUnfinished { key: "sync:ada".to_owned() };
        let (worker, end) = start!(QueueBackend::new(db.queue("ann")), (), handle);
        for _ in 0..3 {
            let job = NewJob { unique_key: Some(unique.key(noon())), ..job() };
            assert_eq!(enqueue(&db.write, job.clone()).await.unwrap(), Enqueued::New);
            wait_for_state(&db, job.id, "done").await;
        }
        stop(worker, end).await;
    }
}
