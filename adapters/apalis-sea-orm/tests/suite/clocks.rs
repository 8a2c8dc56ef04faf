//! What a clock that was ahead by two hours wrote, or a database's clock that was set back.

use std::{sync::Arc, time::Duration};

use apalis_sea_orm::{
    Claimed, Enqueued, NewJob, Options, Outcome, Queue, QueueBackend, board, enqueue,
    entity::{job, rate, worker},
    hold_rate, periodic, retry_at, settle,
};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use crate::{
    harness::{Db, after, each, is, job, jobs, new_id, noon, options, settlement, start, until},
    rates::rated,
};

const HOURS: i64 = 2 * 60 * 60 * 1_000_000;
const AHEAD: u64 = 2 * 60 * 60 * 1_000;

async fn database_now(db: &Db) -> i64 {
    let sql = match db.write.get_database_backend() {
        sea_orm::DbBackend::Sqlite => "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        _ => "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
    };
    let statement = Statement::from_string(db.write.get_database_backend(), sql);
    let row = db.write.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn now(db: &Db) -> Timestamp {
    Timestamp::from_microsecond(database_now(db).await).unwrap()
}

async fn set_rate(db: &Db, next_free: i64, held_until: i64, seen_at: i64) {
    hold_rate(&db.write, "provider", Duration::ZERO).await.unwrap();
    rate::Entity::update_many()
        .col_expr(rate::Column::NextFree, Expr::value(next_free))
        .col_expr(rate::Column::HeldUntil, Expr::value(held_until))
        .col_expr(rate::Column::SeenAt, Expr::value(seen_at))
        .exec(&db.write)
        .await
        .unwrap();
}

async fn next_free(db: &Db) -> i64 {
    rate::Entity::find().one(&db.write).await.unwrap().unwrap().next_free
}

#[tokio::test]
async fn a_rate_moved_on_by_a_clock_that_was_ahead_is_set_back() {
    for db in each().await {
        db.put(jobs(20)).await;
        let now = database_now(&db).await;
        // As a worker writes it, and as only the oldest version could have.
        for seen_at in [now + HOURS, now] {
            set_rate(&db, now + HOURS + 1_000, 0, seen_at).await;
            let claimed = rated(&db, "ann", 50.0).claim(noon(), 5).await.unwrap();
            assert_eq!(claimed.len(), 5, "{:?}", db.engine);
            assert!(next_free(&db).await < now + 60_000_000, "{:?}", db.engine);
            let bob = rated(&db, "bob", 50.0);
            let got = async || !bob.claim(noon(), 1).await.unwrap().is_empty();
            until("another worker has starts too", got).await;
        }
    }
}

#[tokio::test]
async fn a_hold_keeps_its_length_when_the_clock_is_set_back() {
    for db in each().await {
        db.put(jobs(2)).await;
        let now = database_now(&db).await;
        let end = now + HOURS + 60_000_000;
        set_rate(&db, end, end, now + HOURS).await;
        let left = async || board::rate_hold(&db.read, "provider").await.unwrap();
        let first = left().await.unwrap();
        assert!((30..=60).contains(&first.as_secs()), "{:?}: {first:?}", db.engine);
        // Corrected by a claim that finds no start, it runs out.
        assert!(rated(&db, "ann", 50.0).claim(noon(), 1).await.unwrap().is_empty());
        let row = rate::Entity::find().one(&db.write).await.unwrap().unwrap();
        assert!(row.held_until <= now + 61_000_000 + 30_000_000, "{:?}: {row:?}", db.engine);
        assert!(row.seen_at < now + HOURS, "{:?}: {row:?}", db.engine);

        // Another hold is not lost in the correction.
        set_rate(&db, now + HOURS, 0, now + HOURS).await;
        hold_rate(&db.write, "provider", Duration::from_mins(5)).await.unwrap();
        let left = left().await.unwrap();
        assert!((200..=300).contains(&left.as_secs()), "{:?}: {left:?}", db.engine);
        assert!(rated(&db, "bob", 50.0).claim(noon(), 1).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_hold_longer_than_any_worker_asks_for_is_none() {
    for db in each().await {
        db.put(jobs(2)).await;
        let now = database_now(&db).await;
        set_rate(&db, now + HOURS, now + HOURS, now).await;
        assert_eq!(board::rate_hold(&db.read, "provider").await.unwrap(), None);
        let claimed = rated(&db, "ann", 50.0).claim(noon(), 1).await.unwrap();
        assert_eq!(claimed.len(), 1, "{:?}", db.engine);
    }
}

async fn lengthen(db: &Db, id: Uuid) {
    let later = Expr::col(job::Column::LeaseUntil).add(HOURS);
    let update = job::Entity::update_many().col_expr(job::Column::LeaseUntil, later);
    update.filter(job::Column::Id.eq(id)).exec(&db.write).await.unwrap();
}

#[tokio::test]
async fn a_lease_that_a_clock_which_was_ahead_has_given_ends_unless_it_is_kept() {
    for db in each().await {
        db.put(jobs(2)).await;
        let ann = db.queue("ann");
        let claimed = ann.claim(noon(), 2).await.unwrap();
        let [lost, kept] = claimed.as_slice() else { panic!("two") };
        for job in [lost, kept] {
            lengthen(&db, job.id).await;
        }
        let bob = db.queue_with(Options { lease: Duration::from_millis(300), ..options("bob") });
        assert!(bob.rescue(noon()).await.unwrap().is_empty(), "its worker may be alive");
        assert!(ann.beat(&[(kept.id, kept.fence)]).await.unwrap().is_empty());
        let rescued = async || !bob.rescue(noon()).await.unwrap().is_empty();
        until("it is rescued", rescued).await;
        assert_eq!(db.state(lost.id).await, "ready", "{:?}", db.engine);
        assert_eq!(db.state(kept.id).await, "running", "{:?}", db.engine);
        assert_eq!(db.attempts(lost.id).await[0].outcome, "lost");
    }
}

#[tokio::test]
async fn a_worker_seen_in_the_future_is_not_alive_until_it_reports_again() {
    for db in each().await {
        let ann = db.queue("ann");
        ann.report().await.unwrap();
        let later = Expr::col(worker::Column::SeenAt).add(HOURS);
        let update = worker::Entity::update_many().col_expr(worker::Column::SeenAt, later);
        update.exec(&db.write).await.unwrap();
        let silent = async || board::workers(&db.read).await.unwrap()[0].silent;
        assert!(silent().await > Duration::from_hours(1), "{:?}", db.engine);
        ann.report().await.unwrap();
        assert!(silent().await < Duration::from_mins(1), "{:?}", db.engine);
        let update = Expr::col(worker::Column::SeenAt).add(HOURS);
        let update = worker::Entity::update_many().col_expr(worker::Column::SeenAt, update);
        update.exec(&db.write).await.unwrap();
        assert_eq!(db.queue("bob").forget_silent().await.unwrap(), 1, "{:?}", db.engine);
    }
}

/// A worker with the right clock, or one that is off by so much.
fn recalling(db: &Db, name: &str, now: Timestamp) -> Queue {
    let longest_pause = Some(Duration::from_mins(30));
    db.queue_with(Options { longest_pause, clock: Arc::new(move || now), ..options(name) })
}

async fn put_off(db: &Db, outcome: Outcome) -> Uuid {
    db.put(vec![job()]).await;
    let claimed = db.queue("ann").claim(noon(), 1).await.unwrap().remove(0);
    let _ = settle(&db.write, &[settlement(&claimed, outcome)]).await.unwrap();
    claimed.id
}

#[tokio::test]
async fn retries_and_snoozes_further_off_than_any_pause_are_due() {
    for db in each().await {
        let now = now(&db).await;
        let (soon, far) = (after(now, 29 * 60_000), after(now, AHEAD));
        let retry = put_off(&db, Outcome::Retry { at: far }).await;
        let snooze = put_off(&db, Outcome::Snooze { at: far }).await;
        let waiting = [
            put_off(&db, Outcome::Retry { at: soon }).await,
            put_off(&db, Outcome::Snooze { at: soon }).await,
        ];
        // One whose clock is behind knows that it may be.
        assert_eq!(recalling(&db, "bob", noon()).recall(noon()).await.unwrap(), 2);
        assert_eq!(recalling(&db, "bob", now).recall(now).await.unwrap(), 0, "once");
        let ids = async || {
            let queue = recalling(&db, "cat", after(now, 5_000));
            queue.stage(after(now, 5_000)).await.unwrap();
            queue.claim(now, 9).await.unwrap().iter().map(|job| job.id).collect::<Vec<_>>()
        };
        assert_eq!(ids().await, [retry, snooze], "{:?}", db.engine);
        for id in waiting {
            assert!(db.job(id).await.run_at > now.as_microsecond(), "{:?}", db.engine);
        }
    }
}

#[tokio::test]
async fn a_worker_whose_clock_is_behind_brings_nothing_back() {
    for db in each().await {
        let now = now(&db).await;
        let retry = put_off(&db, Outcome::Retry { at: after(now, 60_000) }).await;
        let snooze = put_off(&db, Outcome::Snooze { at: after(now, 60_000) }).await;
        assert_eq!(recalling(&db, "bob", noon()).recall(noon()).await.unwrap(), 0);
        for id in [retry, snooze] {
            let run_at = db.job(id).await.run_at;
            assert_eq!(run_at, after(now, 60_000).as_microsecond(), "{:?}", db.engine);
        }
    }
}

#[tokio::test]
async fn what_is_scheduled_keeps_its_time_and_what_was_scheduled_by_a_clock_ahead_its_pause() {
    for db in each().await {
        let now = now(&db).await;
        let ahead = after(now, AHEAD);
        let far = after(now, 50 * AHEAD);
        // More of them than are looked at by one call.
        let meant: Vec<_> =
            (0..250).map(|_| NewJob { run_at: far, created_at: now, ..job() }).collect();
        let early = NewJob { run_at: after(ahead, 7_000), created_at: ahead, ..job() };
        let late = NewJob { run_at: after(far, 7_000), created_at: after(far, 1_000), ..job() };
        let retried = put_off(&db, Outcome::Dead).await;
        retry_at(&db.write, &[retried], far).await.unwrap();
        db.put(meant.clone()).await;
        db.put(vec![early.clone(), late.clone()]).await;
        let queue = recalling(&db, "bob", now);
        let mut back = 0;
        for _ in 0..3 {
            back += queue.recall(now).await.unwrap();
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
async fn a_tick_that_was_done_ahead_of_its_time_is_done_again_in_time() {
    for db in each().await {
        let now = now(&db).await;
        let ahead = after(now, AHEAD);
        let tick = || periodic(new_id(), "mail", "sweep", Duration::from_mins(1), ahead);
        let once = NewJob { unique_key: Some("welcome:ada".to_owned()), ..job() };
        db.put(vec![tick(), once.clone()]).await;
        let claimed = db.queue("ann").claim(ahead, 2).await.unwrap();
        let done: Vec<_> = claimed.iter().map(|job| settlement(job, Outcome::Done)).collect();
        let _ = settle(&db.write, &done).await.unwrap();
        assert_eq!(enqueue(&db.write, tick()).await.unwrap(), Enqueued::Duplicate);

        assert_eq!(recalling(&db, "bob", now).recall(now).await.unwrap(), 0);
        assert_eq!(enqueue(&db.write, tick()).await.unwrap(), Enqueued::New, "{:?}", db.engine);
        let again = NewJob { id: new_id(), ..once };
        assert_eq!(enqueue(&db.write, again).await.unwrap(), Enqueued::Duplicate);
        for job in claimed {
            let finished = db.job(job.id).await.finished_at.unwrap();
            assert!(finished < after(now, 60_000).as_microsecond(), "{:?}", db.engine);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_starts_after_one_whose_clock_was_ahead_does_its_work_at_once() {
    async fn perform(_: Claimed) {}
    for db in each().await {
        let now = now(&db).await;
        let micros = now.as_microsecond();
        let retry = put_off(&db, Outcome::Retry { at: after(now, AHEAD) }).await;
        let ready = job();
        db.put(vec![ready.clone()]).await;
        set_rate(&db, micros + HOURS, 0, micros + HOURS).await;
        let queue = rated(&db, "bob", 50.0);
        let longest_pause = Some(Duration::from_mins(30));
        // It stands still, so it is a little ahead of the database's.
        let clock = Arc::new(move || after(now, 60_000));
        let queue = db.queue_with(Options { longest_pause, clock, ..queue.options().clone() });
        let (worker, end) = start!(QueueBackend::new(queue), (), perform);
        is(&db, ready.id, "done").await;
        is(&db, retry, "done").await;
        worker.stop().unwrap();
        end.await.unwrap().unwrap();
    }
}
