//! Expired invitations are found, and old rows deleted, in batches.

use guestlist_domain::{Change, ExpiredRows, Invitation, InvitationStatus, Store, User};

use crate::support::fixtures::*;
use crate::support::test_database::TestDatabase;
use crate::support::test_store::{TestStore, contract};

contract!(
    overdue_invitations_are_found_oldest_first,
    old_sessions_are_deleted_in_batches,
    old_links_and_login_requests_are_deleted,
    newer_rows_are_kept;
    sql:
    old_idempotency_keys_are_deleted,
);

async fn overdue_invitations_are_found_oldest_first(db: &TestStore) {
    let mut change = Change::new();
    for status in InvitationStatus::ALL {
        for seconds in [30, 10, 20, 40] {
            let expires_at = after(seconds);
            let invitation = invitation(&user());
            let due = Invitation { status: *status, expires_at, ..invitation };
            change.invitations.insert.push(due);
        }
    }
    db.apply(change).await;
    assert_eq!(db.store.overdue_invitations(after(9), 100).await.unwrap(), []);
    let overdue = db.store.overdue_invitations(after(30), 100).await.unwrap();
    assert_eq!(overdue.len(), 6);
    assert!(overdue.iter().all(|invitation| invitation.status.is_open()));
    assert!(overdue.is_sorted_by_key(|invitation| invitation.expires_at));
    for mut invitation in overdue {
        invitation.mark_expired(after(30)).unwrap();
    }
    let first = db.store.overdue_invitations(after(99), 3).await.unwrap();
    let seconds: Vec<_> = first.iter().map(|invitation| invitation.expires_at).collect();
    assert_eq!(seconds, [after(10), after(10), after(20)]);
}

async fn old_sessions_are_deleted_in_batches(db: &TestStore) {
    let holder = active_user();
    let mut change = Change::new().insert_user(holder.clone());
    for n in 0..25 {
        let mut session = session(&holder);
        session.expires_at = after(n);
        change.sessions.push(session);
    }
    let sessions = change.sessions.clone();
    db.apply(change).await;
    let mut batches = Vec::new();
    loop {
        let deleted = db.store.delete_expired(ExpiredRows::Sessions, after(20), 8).await.unwrap();
        batches.push(deleted);
        if deleted < 8 {
            break;
        }
    }
    assert_eq!(batches, [8, 8, 4]);
    for (n, session) in sessions.iter().enumerate() {
        let there = db.store.session(session.id).await.unwrap().is_some();
        assert_eq!(there, n >= 20, "{n}");
    }
}

async fn old_links_and_login_requests_are_deleted(db: &TestStore) {
    let mut change = Change::new();
    for n in 0..10 {
        let mut link = used_link();
        link.at = after(n);
        change.used_links.push(link);
        let mut request = login_request(&unique_email(), 0);
        request.at = after(n);
        change.login_requests.push(request);
    }
    db.apply(change).await;
    for (what, table) in
        [(ExpiredRows::UsedLinks, "used_links"), (ExpiredRows::LoginRequests, "login_requests")]
    {
        assert_eq!(db.store.delete_expired(what, after(5), 100).await.unwrap(), 5);
        assert_eq!(db.store.delete_expired(what, after(5), 100).await.unwrap(), 0);
        assert_eq!(db.count(table).await, 5, "{table}");
    }
}

async fn old_idempotency_keys_are_deleted(db: &TestDatabase) {
    for n in 0..10_u8 {
        let lease = std::time::Duration::from_secs(1);
        let at = after(u64::from(n));
        guestlist_database::idempotency::acquire(&db.database, [n; 32], [0; 32], at, lease)
            .await
            .unwrap();
    }
    for deleted in [5, 0] {
        let keys = ExpiredRows::IdempotencyKeys;
        assert_eq!(db.store.delete_expired(keys, after(5), 100).await.unwrap(), deleted);
    }
    assert_eq!(db.count("idempotency_keys").await, 5);
}

async fn newer_rows_are_kept(db: &TestStore) {
    let holder: User = active_user();
    let mut change = Change::new();
    change.sessions.push(session(&holder));
    db.apply(change).await;
    for what in [
        ExpiredRows::Sessions,
        ExpiredRows::UsedLinks,
        ExpiredRows::LoginRequests,
        ExpiredRows::IdempotencyKeys,
    ] {
        assert_eq!(db.store.delete_expired(what, now(), 100).await.unwrap(), 0);
        assert_eq!(db.store.delete_expired(what, after(99_999), 0).await.unwrap(), 0);
    }
    assert_eq!(db.count("sessions").await, 1);
}
