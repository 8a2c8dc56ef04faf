//! Locks of other programs.

use std::time::Duration;

use apalis_sea_orm::Waker;
use guestlist_database::{SqlStore, connect};
use guestlist_domain::{Change, Store, User, Verdict};
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};

use crate::bed::{Bed, Engine, contract};
use crate::samples::*;

contract!(
    a_lock_of_another_program_is_waited_for,
    rows_in_reverse_order_do_not_deadlock_for_good,
    a_program_that_is_frozen_in_a_transaction_does_not_keep_its_locks,
);

/// It can't be seen in the time of a test: the server is asked how long it waits.
async fn a_program_that_is_frozen_in_a_transaction_does_not_keep_its_locks(bed: &Bed) {
    if bed.engine == Engine::Sqlite {
        return; // Its locks are the process', and end with that.
    }
    for connection in [bed.database.read(), bed.database.write()] {
        let backend = connection.get_database_backend();
        let ask = Statement::from_string(backend, "SHOW VARIABLES LIKE 'wait_timeout'");
        let row = connection.query_one_raw(ask).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(1).unwrap(), "30");
    }
}

async fn a_lock_of_another_program_is_waited_for(bed: &Bed) {
    let user = user();
    bed.store.apply(Change::new().insert_user(user.clone())).await.unwrap();
    let other = connect(&bed.url).await.unwrap();
    let lock = other.write().pool().begin().await.unwrap();
    lock.execute_unprepared("UPDATE users SET version = version").await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        lock.rollback().await.unwrap();
    };
    let change = Change::new().update_user(user.clone());
    let (verdict, ()) = tokio::join!(bed.store.apply(change), release);
    assert_eq!(verdict.unwrap(), Verdict::Applied);
    other.close().await;
}

/// Two programs whose groups touch the same rows; each change is applied or refused, none fails.
async fn rows_in_reverse_order_do_not_deadlock_for_good(bed: &Bed) {
    let people: Vec<User> = (0..60).map(|_| user()).collect();
    let mut change = Change::new();
    change.users.insert = people.clone();
    bed.store.apply(change).await.unwrap();
    let other = connect(&bed.url).await.unwrap();
    let store = SqlStore::new(other.clone(), Waker::default());
    let update =
        |user: &User| Change::new().update_user(user.clone()).event(event(user, None)).job(job());
    let ours = people.iter().map(|user| bed.store.apply(update(user)));
    let theirs = people.iter().rev().map(|user| store.apply(update(user)));
    let (ours, theirs) =
        tokio::join!(futures::future::join_all(ours), futures::future::join_all(theirs));
    let verdicts = ours.into_iter().chain(theirs).map(Result::unwrap);
    assert_eq!(verdicts.filter(|v| *v == Verdict::Applied).count(), 60);
    assert_eq!(bed.count("events").await, 60);
    drop(store);
    other.close().await;
}
