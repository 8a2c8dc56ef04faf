//! Claims on links.

use futures::future::join_all;
use guestlist_domain::{ExpiredRows, LinkClaim, TokenHash};

use crate::support::fixtures::*;
use crate::support::test_store::{TestStore, contract};

contract!(
    of_many_concurrent_claims_one_is_granted,
    a_claim_expires_or_is_released_by_its_holder,
    a_claim_of_a_clock_that_was_ahead_is_taken_over,
);

fn unique_token() -> TokenHash {
    TokenHash::of(unique_email().as_str())
}

async fn of_many_concurrent_claims_one_is_granted(db: &TestStore) {
    let token = unique_token();
    for round in [LinkClaim::Granted, LinkClaim::TakenOver] {
        let now = if round == LinkClaim::Granted { after(0) } else { after(30) };
        let claims = (0..32).map(|n| {
            let until = now + std::time::Duration::from_micros(30_000_000 - n);
            db.store.claim_link(token, now, until)
        });
        let claims = join_all(claims).await.into_iter().map(Result::unwrap);
        let (granted, held): (Vec<_>, Vec<_>) = claims.partition(|claim| *claim == round);
        assert_eq!(granted.len(), 1, "{granted:?} {held:?}");
        assert!(held.iter().all(|claim| *claim == LinkClaim::Held), "{held:?}");
    }
}

async fn a_claim_expires_or_is_released_by_its_holder(db: &TestStore) {
    let (token, other) = (unique_token(), unique_token());
    let claim = |now: u64| db.store.claim_link(token, after(now), after(now + 30));
    assert_eq!(claim(0).await.unwrap(), LinkClaim::Granted);
    assert_eq!(claim(29).await.unwrap(), LinkClaim::Held);
    let others = db.store.claim_link(other, after(29), after(59)).await.unwrap();
    assert_eq!(others, LinkClaim::Granted);
    assert_eq!(claim(30).await.unwrap(), LinkClaim::TakenOver);
    db.store.release_link(token, after(30)).await.unwrap();
    assert_eq!(claim(31).await.unwrap(), LinkClaim::Held, "a lost claim can't be released");
    db.store.release_link(token, after(60)).await.unwrap();
    db.store.release_link(token, after(60)).await.unwrap();
    assert_eq!(claim(31).await.unwrap(), LinkClaim::Granted);
    assert_eq!(db.store.delete_expired(ExpiredRows::LinkClaims, after(60), 10).await.unwrap(), 1);
    assert_eq!(claim(32).await.unwrap(), LinkClaim::Held, "the other claim was deleted");
}

async fn a_claim_of_a_clock_that_was_ahead_is_taken_over(db: &TestStore) {
    let token = unique_token();
    let ahead = db.store.claim_link(token, after(7200), after(7230)).await.unwrap();
    assert_eq!(ahead, LinkClaim::Granted);
    let claim = db.store.claim_link(token, after(0), after(30)).await.unwrap();
    assert_eq!(claim, LinkClaim::TakenOver);
}
