//! A repeated request is executed once, and its response replayed.

use std::time::Duration;

use futures::future::join_all;
use guestlist_database::idempotency::{
    KeyLease, KeyState, RETENTION, StoredResponse, acquire, complete, release,
};
use jiff::Timestamp;

use crate::support::fixtures::*;
use crate::support::test_database::TestDatabase;
use crate::support::test_store::contract;

contract!(; sql:
    a_response_is_replayed,
    a_key_can_not_be_used_for_a_different_request,
    a_key_is_in_use_until_its_lease_ends,
    a_lease_of_a_clock_that_was_ahead_is_ignored,
    a_released_key_can_be_acquired,
    a_response_after_the_lease_expired_is_not_stored,
    a_response_is_not_replayed_after_its_retention,
    of_many_concurrent_requests_one_acquires_the_key,
);

const KEY: [u8; 32] = [7; 32];
const REQUEST: [u8; 32] = [1; 32];

async fn request(db: &TestDatabase, request: [u8; 32], now: Timestamp) -> KeyState {
    acquire(&db.database, KEY, request, now, Duration::from_secs(30)).await.unwrap()
}

async fn acquired(db: &TestDatabase, now: Timestamp) -> KeyLease {
    match request(db, REQUEST, now).await {
        KeyState::Acquired(lease) => lease,
        other => panic!("{other:?}"),
    }
}

fn response(body: &str) -> StoredResponse {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    StoredResponse {
        status: 202,
        headers: vec![header("location", "/v1/invitations/1"), header("x", "\"ü\"")],
        body: body.to_owned(),
    }
}

async fn a_response_is_replayed(db: &TestDatabase) {
    let long = response(&"ü🙂".repeat(50_000));
    let lease = acquired(db, now()).await;
    complete(&db.database, lease, &long).await.unwrap();
    assert_eq!(request(db, REQUEST, after(1)).await, KeyState::Completed(long.clone()));
    assert_eq!(request(db, REQUEST, after(80_000)).await, KeyState::Completed(long));
}

async fn a_key_can_not_be_used_for_a_different_request(db: &TestDatabase) {
    let lease = acquired(db, now()).await;
    assert_eq!(request(db, [2; 32], now()).await, KeyState::Mismatch);
    complete(&db.database, lease, &response("a")).await.unwrap();
    assert_eq!(request(db, [2; 32], now()).await, KeyState::Mismatch);
}

async fn a_key_is_in_use_until_its_lease_ends(db: &TestDatabase) {
    acquired(db, now()).await;
    assert_eq!(request(db, REQUEST, now()).await, KeyState::InUse);
    assert_eq!(request(db, REQUEST, after(29)).await, KeyState::InUse);
    acquired(db, after(30)).await;
    assert_eq!(request(db, REQUEST, after(31)).await, KeyState::InUse);
}

async fn a_lease_of_a_clock_that_was_ahead_is_ignored(db: &TestDatabase) {
    // Clocks may differ slightly.
    acquired(db, after(50)).await;
    assert_eq!(request(db, REQUEST, now()).await, KeyState::InUse);
    let ahead = acquired(db, after(7_200)).await;
    let lease = acquired(db, now()).await;
    complete(&db.database, ahead, &response("late")).await.unwrap();
    assert_eq!(request(db, REQUEST, now()).await, KeyState::InUse);
    complete(&db.database, lease, &response("a")).await.unwrap();
    assert_eq!(request(db, REQUEST, now()).await, KeyState::Completed(response("a")));
}

async fn a_released_key_can_be_acquired(db: &TestDatabase) {
    let lease = acquired(db, now()).await;
    release(&db.database, lease).await.unwrap();
    let lease = acquired(db, now()).await;
    complete(&db.database, lease, &response("a")).await.unwrap();
    // A completed request is not released.
    release(&db.database, lease).await.unwrap();
    assert_eq!(request(db, REQUEST, now()).await, KeyState::Completed(response("a")));
}

async fn a_response_after_the_lease_expired_is_not_stored(db: &TestDatabase) {
    let late = acquired(db, now()).await;
    let second = acquired(db, after(60)).await;
    complete(&db.database, late, &response("late")).await.unwrap();
    release(&db.database, late).await.unwrap();
    assert_eq!(request(db, REQUEST, after(61)).await, KeyState::InUse);
    complete(&db.database, second, &response("second")).await.unwrap();
    assert_eq!(request(db, REQUEST, after(61)).await, KeyState::Completed(response("second")));
}

async fn a_response_is_not_replayed_after_its_retention(db: &TestDatabase) {
    let lease = acquired(db, now()).await;
    complete(&db.database, lease, &response("old")).await.unwrap();
    let KeyState::Acquired(lease) = request(db, [9; 32], now() + RETENTION).await else { panic!() };
    complete(&db.database, lease, &response("new")).await.unwrap();
    assert_eq!(request(db, [9; 32], now() + RETENTION).await, KeyState::Completed(response("new")));
}

async fn of_many_concurrent_requests_one_acquires_the_key(db: &TestDatabase) {
    for at in [now(), after(60)] {
        let states = join_all((0..20).map(|_| request(db, REQUEST, at))).await;
        let acquired = states.iter().filter(|state| matches!(state, KeyState::Acquired(_))).count();
        let in_use = states.iter().filter(|state| **state == KeyState::InUse).count();
        assert_eq!((acquired, in_use), (1, 19));
    }
}
