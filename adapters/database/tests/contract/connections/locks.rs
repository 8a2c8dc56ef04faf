//! Locks that other processes hold.

use std::time::{Duration, Instant};

use apalis_sea_orm::Waker;
use guestlist_database::{SqlStore, connect};
use guestlist_domain::{Change, ReadUsers, Store, User, Verdict};
use sea_orm::{
    ConnectionTrait, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tokio::sync::watch;

use crate::support::fixtures::*;
use crate::support::test_database::TestDatabase;
use crate::support::test_store::contract;

contract!(; sql:
    a_change_waits_for_the_lock_of_another_process,
    changes_in_reverse_order_do_not_deadlock_permanently;
    servers:
    the_server_ends_silent_transactions_after_30_seconds;
    sqlite:
    reads_do_not_wait_for_a_writer,
    a_change_is_not_starved_by_a_process_that_always_writes,
    a_process_that_is_frozen_between_writes_stops_no_other,
);

/// Reads the setting, because a test can't wait for the timeout.
async fn the_server_ends_silent_transactions_after_30_seconds(db: &TestDatabase) {
    for connection in [db.database.read(), db.database.write()] {
        let backend = connection.get_database_backend();
        let query = Statement::from_string(backend, "SHOW VARIABLES LIKE 'wait_timeout'");
        let row = connection.query_one_raw(query).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(1).unwrap(), "30");
    }
}

async fn a_change_waits_for_the_lock_of_another_process(db: &TestDatabase) {
    let user = user();
    db.store.apply(Change::new().insert_user(user.clone())).await.unwrap();
    let other = connect(&db.url).await.unwrap();
    let lock = other.write().pool().begin().await.unwrap();
    lock.execute_unprepared("UPDATE users SET version = version").await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        lock.rollback().await.unwrap();
    };
    let change = Change::new().update_user(user.clone(), user.clone());
    let (verdict, ()) = tokio::join!(db.store.apply(change), release);
    assert_eq!(verdict.unwrap(), Verdict::Applied);
    other.close().await;
}

async fn reads_do_not_wait_for_a_writer(db: &TestDatabase) {
    let user = user();
    db.apply(Change::new().insert_user(user.clone())).await;
    let other = connect(&db.url).await.unwrap();
    let sqlite_transaction_mode = Some(SqliteTransactionMode::Exclusive);
    let options = TransactionOptions { sqlite_transaction_mode, ..Default::default() };
    let lock = other.write().pool().begin_with_options(options).await.unwrap();
    lock.execute_unprepared("DELETE FROM users").await.unwrap();
    assert_eq!(db.store.user(user.id).await.unwrap(), Some(user));
    lock.rollback().await.unwrap();
    other.close().await;
}

/// The other process begins its next transaction as soon as one has ended.
async fn a_change_is_not_starved_by_a_process_that_always_writes(db: &TestDatabase) {
    let other = connect(&db.url).await.unwrap();
    let pool = other.write().pool().clone();
    let (count, mut written) = watch::channel(0);
    let writer = tokio::spawn(async move {
        let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..Default::default() };
        loop {
            let tx = pool.begin_with_options(options).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            tx.commit().await.unwrap();
            count.send_modify(|count| *count += 1);
        }
    });
    let mut waits = Vec::new();
    for _ in 0..20 {
        written.changed().await.unwrap();
        let before = *written.borrow_and_update();
        db.apply(Change::new().insert_user(user())).await;
        waits.push(*written.borrow() - before);
    }
    writer.abort();
    let _ = writer.await;
    other.close().await;
    assert!(waits.iter().all(|wait| *wait <= 10), "transactions before each change: {waits:?}");
}

/// The frozen process holds the lock by which processes take turns.
async fn a_process_that_is_frozen_between_writes_stops_no_other(db: &TestDatabase) {
    let other = connect(&db.url).await.unwrap();
    let pool = other.write().pool().get_sqlite_connection_pool();
    let frozen = pool.acquire().await.unwrap();
    let began = Instant::now();
    for _ in 0..20 {
        db.apply(Change::new().insert_user(user())).await;
    }
    // Only the first one waits for the timeout.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(frozen);
    other.close().await;
}

/// Two processes update the same rows. Each change is applied or conflicts; none fails.
async fn changes_in_reverse_order_do_not_deadlock_permanently(db: &TestDatabase) {
    let users: Vec<User> = (0..60).map(|_| user()).collect();
    let mut change = Change::new();
    change.users.insert = users.clone();
    db.store.apply(change).await.unwrap();
    let other = connect(&db.url).await.unwrap();
    let store = SqlStore::new(other.clone(), Waker::default());
    let update = |user: &User| {
        let change = Change::new().update_user(user.clone(), user.clone());
        change.event(event(user, None)).job(job())
    };
    let forward = users.iter().map(|user| db.store.apply(update(user)));
    let backward = users.iter().rev().map(|user| store.apply(update(user)));
    let (forward, backward) =
        tokio::join!(futures::future::join_all(forward), futures::future::join_all(backward));
    let verdicts = forward.into_iter().chain(backward).map(Result::unwrap);
    assert_eq!(verdicts.filter(|v| *v == Verdict::Applied).count(), 60);
    assert_eq!(db.count("events").await, 60);
    drop(store);
    other.close().await;
}
