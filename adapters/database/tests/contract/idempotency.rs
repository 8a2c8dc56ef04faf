//! A request that comes twice is done once, and answered twice.

use std::time::Duration;

use futures::future::join_all;
use guestlist_database::idempotency::{Begun, KEPT, Lease, StoredAnswer, abandon, begin, finish};
use jiff::Timestamp;

use crate::bed::{Bed, contract};
use crate::samples::*;

contract!(
    an_answer_is_given_again,
    another_request_does_not_have_the_key,
    a_key_is_in_use_until_its_lease_ends,
    a_lease_given_by_a_clock_that_was_ahead_does_not_keep_the_key,
    an_abandoned_key_is_free,
    a_late_answer_is_not_kept,
    an_old_answer_is_forgotten,
    of_many_at_once_one_is_fresh,
);

const KEY: [u8; 32] = [7; 32];
const REQUEST: [u8; 32] = [1; 32];

async fn ask(bed: &Bed, request: [u8; 32], now: Timestamp) -> Begun {
    begin(&bed.database, KEY, request, now, Duration::from_secs(30)).await.unwrap()
}

async fn fresh(bed: &Bed, now: Timestamp) -> Lease {
    match ask(bed, REQUEST, now).await {
        Begun::Fresh(lease) => lease,
        other => panic!("{other:?}"),
    }
}

fn answer(content: &str) -> StoredAnswer {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    StoredAnswer {
        status: 202,
        headers: vec![header("location", "/v1/invitations/1"), header("x", "\"ü\"")],
        content: content.to_owned(),
    }
}

async fn an_answer_is_given_again(bed: &Bed) {
    let long = answer(&"ü🙂".repeat(50_000));
    let lease = fresh(bed, now()).await;
    finish(&bed.database, lease, &long).await.unwrap();
    assert_eq!(ask(bed, REQUEST, after(1)).await, Begun::Replay(long.clone()));
    assert_eq!(ask(bed, REQUEST, after(80_000)).await, Begun::Replay(long));
}

async fn another_request_does_not_have_the_key(bed: &Bed) {
    let lease = fresh(bed, now()).await;
    assert_eq!(ask(bed, [2; 32], now()).await, Begun::Mismatch);
    finish(&bed.database, lease, &answer("a")).await.unwrap();
    assert_eq!(ask(bed, [2; 32], now()).await, Begun::Mismatch);
}

async fn a_key_is_in_use_until_its_lease_ends(bed: &Bed) {
    fresh(bed, now()).await;
    assert_eq!(ask(bed, REQUEST, now()).await, Begun::InUse);
    assert_eq!(ask(bed, REQUEST, after(29)).await, Begun::InUse);
    fresh(bed, after(30)).await;
    assert_eq!(ask(bed, REQUEST, after(31)).await, Begun::InUse);
}

async fn a_lease_given_by_a_clock_that_was_ahead_does_not_keep_the_key(bed: &Bed) {
    // Clocks may differ by a little.
    fresh(bed, after(50)).await;
    assert_eq!(ask(bed, REQUEST, now()).await, Begun::InUse);
    let ahead = fresh(bed, after(7_200)).await;
    let lease = fresh(bed, now()).await;
    finish(&bed.database, ahead, &answer("late")).await.unwrap();
    assert_eq!(ask(bed, REQUEST, now()).await, Begun::InUse);
    finish(&bed.database, lease, &answer("a")).await.unwrap();
    assert_eq!(ask(bed, REQUEST, now()).await, Begun::Replay(answer("a")));
}

async fn an_abandoned_key_is_free(bed: &Bed) {
    let lease = fresh(bed, now()).await;
    abandon(&bed.database, lease).await.unwrap();
    let lease = fresh(bed, now()).await;
    finish(&bed.database, lease, &answer("a")).await.unwrap();
    // What is answered is not abandoned.
    abandon(&bed.database, lease).await.unwrap();
    assert_eq!(ask(bed, REQUEST, now()).await, Begun::Replay(answer("a")));
}

async fn a_late_answer_is_not_kept(bed: &Bed) {
    let late = fresh(bed, now()).await;
    let second = fresh(bed, after(60)).await;
    finish(&bed.database, late, &answer("late")).await.unwrap();
    abandon(&bed.database, late).await.unwrap();
    assert_eq!(ask(bed, REQUEST, after(61)).await, Begun::InUse);
    finish(&bed.database, second, &answer("second")).await.unwrap();
    assert_eq!(ask(bed, REQUEST, after(61)).await, Begun::Replay(answer("second")));
}

async fn an_old_answer_is_forgotten(bed: &Bed) {
    let lease = fresh(bed, now()).await;
    finish(&bed.database, lease, &answer("old")).await.unwrap();
    let Begun::Fresh(lease) = ask(bed, [9; 32], now() + KEPT).await else { panic!() };
    finish(&bed.database, lease, &answer("new")).await.unwrap();
    assert_eq!(ask(bed, [9; 32], now() + KEPT).await, Begun::Replay(answer("new")));
}

async fn of_many_at_once_one_is_fresh(bed: &Bed) {
    for at in [now(), after(60)] {
        let begun = join_all((0..20).map(|_| ask(bed, REQUEST, at))).await;
        let fresh = begun.iter().filter(|begun| matches!(begun, Begun::Fresh(_))).count();
        let in_use = begun.iter().filter(|begun| **begun == Begun::InUse).count();
        assert_eq!((fresh, in_use), (1, 19));
    }
}
