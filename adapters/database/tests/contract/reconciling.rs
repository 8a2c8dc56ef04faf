//! What a comparison with Stytch reads, and what came of it.

use guestlist_domain::{
    Change, DriftCount, Drift, ReadReconciliation, Reconciliation, RepairAction, Store, StoreError, Tombstone,
    User, Verdict,
};
use sea_orm::ConnectionTrait;

use crate::bed::{Bed, contract};
use crate::samples::*;

contract!(
    users_are_found_by_many_identities_and_addresses_at_once,
    users_are_read_from_the_oldest_on,
    who_is_gone_is_found_by_identity,
    the_newest_comparison_is_read_back_and_the_older_ones_are_not_kept,
    a_comparison_that_nobody_wrote_is_corrupt,
);

async fn apply(bed: &Bed, change: Change) {
    assert_eq!(bed.store.apply(change).await.unwrap(), Verdict::Applied);
}

async fn insert(bed: &Bed, count: usize) -> Vec<User> {
    let identity = |n| Some(format!("user-test-{n}"));
    let users: Vec<_> =
        (0..count).map(|n| User { provider_user_id: identity(n), ..user() }).collect();
    let mut change = Change::new();
    change.users.insert.clone_from(&users);
    apply(bed, change).await;
    users
}

fn sorted(mut users: Vec<User>) -> Vec<User> {
    users.sort_by_key(|user| user.id);
    users
}

async fn users_are_found_by_many_identities_and_addresses_at_once(bed: &Bed) {
    let users = insert(bed, 2_100).await;
    let half = users.iter().step_by(2).cloned().collect::<Vec<_>>();
    let mut ids: Vec<_> = half.iter().filter_map(|user| user.provider_user_id.clone()).collect();
    let mut emails: Vec<_> = half.iter().map(|user| user.email.clone()).collect();
    ids.extend((0..1_500).map(|n| format!("USER-test-{n}")));
    emails.extend((0..1_500).map(|_| some_email()));
    assert_eq!(sorted(bed.store.users_by_provider_ids(&ids).await.unwrap()), sorted(half.clone()));
    assert_eq!(sorted(bed.store.users_by_emails(&emails).await.unwrap()), sorted(half));
    assert_eq!(bed.store.users_by_provider_ids(&[]).await.unwrap(), []);
    assert_eq!(bed.store.users_by_emails(&[]).await.unwrap(), []);
}

async fn users_are_read_from_the_oldest_on(bed: &Bed) {
    let users = sorted(insert(bed, 5).await);
    assert_eq!(bed.store.users_from(None, 3).await.unwrap(), users[..3]);
    assert_eq!(bed.store.users_from(Some(users[2].id), 3).await.unwrap(), users[3..]);
    assert_eq!(bed.store.users_from(Some(users[4].id), 3).await.unwrap(), []);
}

async fn who_is_gone_is_found_by_identity(bed: &Bed) {
    let gone = Tombstone { provider_user_id: "user-test-1".into(), user_id: user().id, at: now() };
    let mut change = Change::new();
    change.tombstones.push(gone.clone());
    apply(bed, change).await;
    let ids = ["user-test-2".to_owned(), "user-test-1".to_owned()];
    assert_eq!(bed.store.tombstones(&ids).await.unwrap(), [gone]);
    assert_eq!(bed.store.tombstones(&[]).await.unwrap(), []);
}

async fn the_newest_comparison_is_read_back_and_the_older_ones_are_not_kept(bed: &Bed) {
    assert_eq!(bed.store.last_reconciliation().await.unwrap(), None);
    let counts = Drift::ALL.iter().map(|kind| (*kind, DriftCount { found: 7, repaired: 3 })).collect();
    for repair_action in RepairAction::ALL {
        let record = Reconciliation { repair_action: *repair_action, ..reconciliation() };
        let mut change = Change::new();
        change.reconciliations.push(record.clone());
        apply(bed, change).await;
        assert_eq!(bed.store.last_reconciliation().await.unwrap(), Some(record));
    }
    let last = Reconciliation { counts, ..reconciliation() };
    let mut change = Change::new();
    change.reconciliations.push(last.clone());
    apply(bed, change).await;
    assert_eq!(bed.store.last_reconciliation().await.unwrap(), Some(last));
    assert_eq!(bed.count("reconciliations").await, 1);
}

async fn a_comparison_that_nobody_wrote_is_corrupt(bed: &Bed) {
    for (column, spoilt) in
        [("repair_action", "'spoilt'"), ("counts", "'spoilt'"), ("counts", "'[]'"), ("users", "-1")]
    {
        let mut change = Change::new();
        change.reconciliations.push(reconciliation());
        apply(bed, change).await;
        let spoil = format!("UPDATE reconciliations SET {column} = {spoilt}");
        bed.database.write().execute_unprepared(&spoil).await.unwrap();
        let error = bed.store.last_reconciliation().await.unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { table: "reconciliations", column: c, .. } if c == column),
            "{error}"
        );
    }
}
