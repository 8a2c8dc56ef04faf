//! Reads of a reconciliation with Stytch, and its stored result.

use guestlist_domain::{
    Change, Drift, DriftCount, ReadReconciliation, Reconciliation, RepairAction, StoreError,
    Tombstone, User,
};
use sea_orm::ConnectionTrait;

use crate::support::fixtures::*;
use crate::support::test_database::TestDatabase;
use crate::support::test_store::{TestStore, contract};

contract!(
    users_are_found_by_many_identities_or_addresses,
    users_are_read_in_pages_from_the_oldest,
    tombstones_are_found_by_identity,
    only_the_newest_reconciliation_is_kept;
    sql:
    an_invalid_reconciliation_is_reported_as_corrupt,
);

async fn insert(db: &TestStore, count: usize) -> Vec<User> {
    let identity = |n| Some(format!("user-test-{n}"));
    let users: Vec<_> =
        (0..count).map(|n| User { provider_user_id: identity(n), ..user() }).collect();
    let mut change = Change::new();
    change.users.insert.clone_from(&users);
    db.apply(change).await;
    users
}

fn sorted(mut users: Vec<User>) -> Vec<User> {
    users.sort_by_key(|user| user.id);
    users
}

async fn users_are_found_by_many_identities_or_addresses(db: &TestStore) {
    let users = insert(db, 2_100).await;
    let half = users.iter().step_by(2).cloned().collect::<Vec<_>>();
    let mut ids: Vec<_> = half.iter().filter_map(|user| user.provider_user_id.clone()).collect();
    let mut emails: Vec<_> = half.iter().map(|user| user.email.clone()).collect();
    ids.extend((0..1_500).map(|n| format!("USER-test-{n}")));
    emails.extend((0..1_500).map(|_| unique_email()));
    assert_eq!(sorted(db.store.users_by_provider_ids(&ids).await.unwrap()), sorted(half.clone()));
    assert_eq!(sorted(db.store.users_by_emails(&emails).await.unwrap()), sorted(half));
    assert_eq!(db.store.users_by_provider_ids(&[]).await.unwrap(), []);
    assert_eq!(db.store.users_by_emails(&[]).await.unwrap(), []);
}

async fn users_are_read_in_pages_from_the_oldest(db: &TestStore) {
    let users = sorted(insert(db, 5).await);
    assert_eq!(db.store.users_from(None, 3).await.unwrap(), users[..3]);
    assert_eq!(db.store.users_from(Some(users[2].id), 3).await.unwrap(), users[3..]);
    assert_eq!(db.store.users_from(Some(users[4].id), 3).await.unwrap(), []);
}

async fn tombstones_are_found_by_identity(db: &TestStore) {
    let tombstone =
        Tombstone { provider_user_id: "user-test-1".into(), user_id: user().id, at: now() };
    let mut change = Change::new();
    change.tombstones.push(tombstone.clone());
    db.apply(change).await;
    let ids = ["user-test-2".to_owned(), "user-test-1".to_owned()];
    assert_eq!(db.store.tombstones(&ids).await.unwrap(), [tombstone]);
    assert_eq!(db.store.tombstones(&[]).await.unwrap(), []);
}

async fn only_the_newest_reconciliation_is_kept(db: &TestStore) {
    assert_eq!(db.store.last_reconciliation().await.unwrap(), None);
    let counts =
        Drift::ALL.iter().map(|kind| (*kind, DriftCount { found: 7, repaired: 3 })).collect();
    for repair_action in RepairAction::ALL {
        let record = Reconciliation { repair_action: *repair_action, ..reconciliation() };
        let mut change = Change::new();
        change.reconciliations.push(record.clone());
        db.apply(change).await;
        assert_eq!(db.store.last_reconciliation().await.unwrap(), Some(record));
    }
    let last = Reconciliation { counts, ..reconciliation() };
    let mut change = Change::new();
    change.reconciliations.push(last.clone());
    db.apply(change).await;
    assert_eq!(db.store.last_reconciliation().await.unwrap(), Some(last));
    assert_eq!(db.count("reconciliations").await, 1);
}

async fn an_invalid_reconciliation_is_reported_as_corrupt(db: &TestDatabase) {
    for (column, invalid) in [
        ("repair_action", "'invalid'"),
        ("counts", "'invalid'"),
        ("counts", "'[]'"),
        ("users", "-1"),
    ] {
        let mut change = Change::new();
        change.reconciliations.push(reconciliation());
        db.apply(change).await;
        let corrupt = format!("UPDATE reconciliations SET {column} = {invalid}");
        db.database.write().execute_unprepared(&corrupt).await.unwrap();
        let error = db.store.last_reconciliation().await.unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { table: "reconciliations", column: c, .. } if c == column),
            "{error}"
        );
    }
}
