//! Values written by a clock that was two hours ahead, or by a database's clock that was set back.

use std::{sync::Arc, time::Duration};

use apalis_sea_orm::{
    AttemptOutcome, ClaimedJob, JobQueue, NewJob, Options, PERIODIC_KEY_PREFIX, QueueBackend,
    enqueue_all,
    entity::{job, rate, worker},
    hold_rate, inspect, retry_at,
};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use crate::harness::{
    TestDb, after, attempt_result, each, job, jobs, new_id, noon, options, rated, start, stop,
    wait_for_state, wait_until,
};

const HOURS: i64 = 2 * 60 * 60 * 1_000_000;
const AHEAD: u64 = 2 * 60 * 60 * 1_000;

async fn database_now(db: &TestDb) -> i64 {
    let sql = match db.write.get_database_backend() {
        sea_orm::DbBackend::Sqlite => "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        _ => "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
    };
    let statement = Statement::from_string(db.write.get_database_backend(), sql);
    let row = db.write.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn now(db: &TestDb) -> Timestamp {
    Timestamp::from_microsecond(database_now(db).await).unwrap()
}

async fn set_rate(db: &TestDb, next_free: i64, held_until: i64, seen_at: i64) {
    hold_rate(&db.write, "provider", Duration::ZERO).await.unwrap();
    rate::Entity::update_many()
        .col_expr(rate::Column::NextFree, Expr::value(next_free))
        .col_expr(rate::Column::HeldUntil, Expr::value(held_until))
        .col_expr(rate::Column::SeenAt, Expr::value(seen_at))
        .exec(&db.write)
        .await
        .unwrap();
}

async fn next_free(db: &TestDb) -> i64 {
    rate::Entity::find().one(&db.write).await.unwrap().unwrap().next_free
}

#[tokio::test]
async fn a_rate_advanced_by_a_clock_that_was_ahead_is_corrected() {
    for db in each().await {
        db.enqueue(jobs(20)).await;
        let now = database_now(&db).await;
        // As a worker writes it, and without the time of the write.
        for seen_at in [now + HOURS, now] {
            set_rate(&db, now + HOURS + 1_000, 0, seen_at).await;
            let claimed = rated(&db, "ann", 50.0).claim(noon(), 5).await.unwrap();
            assert_eq!(claimed.len(), 5, "{:?}", db.engine);
            assert!(next_free(&db).await < now + 60_000_000, "{:?}", db.engine);
            let bob = rated(&db, "bob", 50.0);
            let got = async || !bob.claim(noon(), 1).await.unwrap().is_empty();
            wait_until("another worker gets starts", got).await;
        }
    }
}

#[tokio::test]
async fn a_hold_keeps_its_length_when_the_clock_is_set_back() {
    for db in each().await {
        db.enqueue(jobs(2)).await;
        let now = database_now(&db).await;
        let end = now + HOURS + 60_000_000;
        set_rate(&db, end, end, now + HOURS).await;
        let left = async || inspect::rate_hold(&db.read, "provider").await.unwrap();
        let first = left().await.unwrap();
        assert!((30..=60).contains(&first.as_secs()), "{:?}: {first:?}", db.engine);
        // A claim that finds no start corrects the row.
        assert!(rated(&db, "ann", 50.0).claim(noon(), 1).await.unwrap().is_empty());
        let row = rate::Entity::find().one(&db.write).await.unwrap().unwrap();
        assert!(row.held_until <= now + 61_000_000 + 30_000_000, "{:?}: {row:?}", db.engine);
        assert!(row.seen_at < now + HOURS, "{:?}: {row:?}", db.engine);

        // The correction does not lose another hold.
        set_rate(&db, now + HOURS, 0, now + HOURS).await;
        hold_rate(&db.write, "provider", Duration::from_mins(5)).await.unwrap();
        let left = left().await.unwrap();
        assert!((200..=300).contains(&left.as_secs()), "{:?}: {left:?}", db.engine);
        assert!(rated(&db, "bob", 50.0).claim(noon(), 1).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_hold_longer_than_the_maximum_is_ignored() {
    for db in each().await {
        db.enqueue(jobs(2)).await;
        let now = database_now(&db).await;
        set_rate(&db, now + HOURS, now + HOURS, now).await;
        assert_eq!(inspect::rate_hold(&db.read, "provider").await.unwrap(), None);
        let claimed = rated(&db, "ann", 50.0).claim(noon(), 1).await.unwrap();
        assert_eq!(claimed.len(), 1, "{:?}", db.engine);
    }
}

async fn extend_lease(db: &TestDb, id: Uuid) {
    let later = Expr::col(job::Column::LeaseUntil).add(HOURS);
    let update = job::Entity::update_many().col_expr(job::Column::LeaseUntil, later);
    update.filter(job::Column::Id.eq(id)).exec(&db.write).await.unwrap();
}

#[tokio::test]
async fn a_lease_granted_by_a_clock_that_was_ahead_expires_without_heartbeats() {
    for db in each().await {
        db.enqueue(jobs(2)).await;
        let ann = db.queue("ann");
        let claimed = ann.claim(noon(), 2).await.unwrap();
        let [lost, kept] = claimed.as_slice() else { panic!("two") };
        for job in [lost, kept] {
            extend_lease(&db, job.id).await;
        }
        let bob = db.queue_with(Options { lease: Duration::from_millis(300), ..options("bob") });
        assert!(bob.rescue(noon()).await.unwrap().is_empty(), "its worker may be alive");
        assert!(ann.heartbeat(&[(kept.id, kept.fence)]).await.unwrap().is_empty());
        let rescued = async || !bob.rescue(noon()).await.unwrap().is_empty();
        wait_until("the job is rescued", rescued).await;
        assert_eq!(db.state(lost.id).await, "ready", "{:?}", db.engine);
        assert_eq!(db.state(kept.id).await, "running", "{:?}", db.engine);
        assert_eq!(db.attempts(lost.id).await[0].outcome, "lost");
    }
}

#[tokio::test]
async fn a_worker_that_reported_in_the_future_counts_as_silent() {
    for db in each().await {
        let ann = db.queue("ann");
        ann.report().await.unwrap();
        let later = Expr::col(worker::Column::SeenAt).add(HOURS);
        let update = worker::Entity::update_many().col_expr(worker::Column::SeenAt, later);
        update.exec(&db.write).await.unwrap();
        let silent = async || inspect::workers(&db.read).await.unwrap()[0].silent;
        assert!(silent().await > Duration::from_hours(1), "{:?}", db.engine);
        ann.report().await.unwrap();
        assert!(silent().await < Duration::from_mins(1), "{:?}", db.engine);
        let update = Expr::col(worker::Column::SeenAt).add(HOURS);
        let update = worker::Entity::update_many().col_expr(worker::Column::SeenAt, update);
        update.exec(&db.write).await.unwrap();
        assert_eq!(db.queue("bob").remove_silent_workers().await.unwrap(), 1, "{:?}", db.engine);
    }
}

/// A worker whose clock shows `now`.
fn skewed_worker(db: &TestDb, name: &str, now: Timestamp) -> JobQueue {
    let max_delay = Some(Duration::from_mins(30));
    db.queue_with(Options { max_delay, clock: Arc::new(move || now), ..options(name) })
}

async fn delayed_job(db: &TestDb, outcome: AttemptOutcome) -> Uuid {
    db.enqueue(vec![job()]).await;
    let claimed = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
    db.settle(&[attempt_result(&claimed, outcome)]).await;
    claimed.id
}

#[tokio::test]
async fn retries_and_snoozes_beyond_the_longest_delay_are_due() {
    for db in each().await {
        let now = now(&db).await;
        let (soon, far) = (after(now, 29 * 60_000), after(now, AHEAD));
        let retry = delayed_job(&db, AttemptOutcome::Retry { at: far }).await;
        let snooze = delayed_job(&db, AttemptOutcome::Snooze { at: far }).await;
        let waiting = [
            delayed_job(&db, AttemptOutcome::Retry { at: soon }).await,
            delayed_job(&db, AttemptOutcome::Snooze { at: soon }).await,
        ];
        // A worker whose clock is behind uses the database's.
        assert_eq!(skewed_worker(&db, "bob", noon()).correct_clock_skew(noon()).await.unwrap(), 2);
        assert_eq!(
            skewed_worker(&db, "bob", now).correct_clock_skew(now).await.unwrap(),
            0,
            "once"
        );
        let ids = async || {
            let queue = skewed_worker(&db, "cat", after(now, 5_000));
            queue.promote(after(now, 5_000)).await.unwrap();
            queue.claim(now, 9).await.unwrap().iter().map(|job| job.id).collect::<Vec<_>>()
        };
        assert_eq!(ids().await, [retry, snooze], "{:?}", db.engine);
        for id in waiting {
            assert!(db.job(id).await.run_at > now.as_microsecond(), "{:?}", db.engine);
        }
    }
}

#[tokio::test]
async fn a_worker_whose_clock_is_behind_corrects_nothing() {
    for db in each().await {
        let now = now(&db).await;
        let retry = delayed_job(&db, AttemptOutcome::Retry { at: after(now, 60_000) }).await;
        let snooze = delayed_job(&db, AttemptOutcome::Snooze { at: after(now, 60_000) }).await;
        assert_eq!(skewed_worker(&db, "bob", noon()).correct_clock_skew(noon()).await.unwrap(), 0);
        for id in [retry, snooze] {
            let run_at = db.job(id).await.run_at;
            assert_eq!(run_at, after(now, 60_000).as_microsecond(), "{:?}", db.engine);
        }
    }
}

#[tokio::test]
async fn scheduled_jobs_keep_their_time_and_those_of_a_clock_ahead_their_delay() {
    for db in each().await {
        let now = now(&db).await;
        let ahead = after(now, AHEAD);
        let far = after(now, 50 * AHEAD);
        // More than one call reads.
        let meant: Vec<_> =
            (0..250).map(|_| NewJob { run_at: far, created_at: now, ..job() }).collect();
        let early = NewJob { run_at: after(ahead, 7_000), created_at: ahead, ..job() };
        let late = NewJob { run_at: after(far, 7_000), created_at: after(far, 1_000), ..job() };
        let retried = delayed_job(&db, AttemptOutcome::Dead).await;
        retry_at(&db.write, retried, far).await.unwrap();
        db.enqueue(meant.clone()).await;
        db.enqueue(vec![early.clone(), late.clone()]).await;
        let queue = skewed_worker(&db, "bob", now);
        let mut back = 0;
        for _ in 0..3 {
            back += queue.correct_clock_skew(now).await.unwrap();
        }
        assert_eq!(back, 2, "{:?}", db.engine);
        let run_at = async |id| db.job(id).await.run_at;
        let near = |run_at: i64, pause: i64| {
            (run_at - after(now, 0).as_microsecond() - pause).abs() < 60_000_000
        };
        assert!(near(run_at(early.id).await, 7_000_000), "{:?}", db.engine);
        assert!(near(run_at(late.id).await, 6_000_000), "{:?}", db.engine);
        for id in [retried, meant[0].id, meant[249].id] {
            assert_eq!(run_at(id).await, far.as_microsecond(), "{:?}", db.engine);
        }
    }
}

#[tokio::test]
async fn a_periodic_job_that_ran_ahead_of_its_time_runs_again_at_its_time() {
    for db in each().await {
        let now = now(&db).await;
        let ahead = after(now, AHEAD);
        let key = Some(format!("{PERIODIC_KEY_PREFIX}sweep@60000:1"));
        let tick = || NewJob { unique_key: key.clone(), ..job() };
        let once = NewJob { unique_key: Some("welcome:ada".to_owned()), ..job() };
        db.enqueue(vec![tick(), once.clone()]).await;
        let claimed = db.queue("ann").claim(ahead, 2).await.unwrap();
        let done: Vec<_> =
            claimed.iter().map(|job| attempt_result(job, AttemptOutcome::Done)).collect();
        db.settle(&done).await;
        enqueue_all(&db.write, vec![tick()]).await.unwrap_err();

        assert_eq!(skewed_worker(&db, "bob", now).correct_clock_skew(now).await.unwrap(), 0);
        db.enqueue(vec![tick()]).await;
        let again = NewJob { id: new_id(), ..once };
        enqueue_all(&db.write, vec![again]).await.unwrap_err();
        for job in claimed {
            let finished = db.job(job.id).await.finished_at.unwrap();
            assert!(finished < after(now, 60_000).as_microsecond(), "{:?}", db.engine);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_worker_runs_jobs_delayed_by_a_clock_that_was_ahead() {
    async fn handle(_: ClaimedJob) {}
    for db in each().await {
        let now = now(&db).await;
        let micros = now.as_microsecond();
        let retry = delayed_job(&db, AttemptOutcome::Retry { at: after(now, AHEAD) }).await;
        let ready = job();
        db.enqueue(vec![ready.clone()]).await;
        set_rate(&db, micros + HOURS, 0, micros + HOURS).await;
        let queue = rated(&db, "bob", 50.0);
        let max_delay = Some(Duration::from_mins(30));
        // The clock does not advance, so it starts ahead of the database's.
        let clock = Arc::new(move || after(now, 60_000));
        let queue = db.queue_with(Options { max_delay, clock, ..queue.options().clone() });
        let (worker, end) = start!(QueueBackend::new(queue), (), handle);
        wait_for_state(&db, ready.id, "done").await;
        wait_for_state(&db, retry, "done").await;
        stop(worker, end).await;
    }
}
