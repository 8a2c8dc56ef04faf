//! What ran out is found, and what is stale goes, a batch at a time.

use guestlist_domain::{
    Change, Invitation, InvitationStatus, ReadInvitations, ReadSessions, ExpiredRows, Store, User,
    Verdict,
};

use crate::bed::{Bed, contract};
use crate::samples::*;

contract!(
    overdue_invitations_are_found_oldest_first,
    stale_sessions_go_in_batches,
    stale_links_requests_and_keys_go,
    nothing_stale_is_nothing_done,
);

async fn apply(bed: &Bed, change: Change) {
    assert_eq!(bed.store.apply(change).await.unwrap(), Verdict::Applied);
}

async fn overdue_invitations_are_found_oldest_first(bed: &Bed) {
    let mut change = Change::new();
    for status in InvitationStatus::ALL {
        for seconds in [30, 10, 20, 40] {
            let expires_at = after(seconds);
            let invitation = invitation(&user());
            let due = Invitation { status: *status, expires_at, ..invitation };
            change.invitations.insert.push(due);
        }
    }
    apply(bed, change).await;
    assert_eq!(bed.store.overdue_invitations(after(9), 100).await.unwrap(), []);
    let overdue = bed.store.overdue_invitations(after(30), 100).await.unwrap();
    assert_eq!(overdue.len(), 6);
    assert!(overdue.iter().all(|invitation| invitation.status.is_open()));
    assert!(overdue.is_sorted_by_key(|invitation| invitation.expires_at));
    for mut invitation in overdue {
        invitation.mark_expired(after(30)).unwrap();
    }
    let first = bed.store.overdue_invitations(after(99), 3).await.unwrap();
    let seconds: Vec<_> = first.iter().map(|invitation| invitation.expires_at).collect();
    assert_eq!(seconds, [after(10), after(10), after(20)]);
}

async fn stale_sessions_go_in_batches(bed: &Bed) {
    let holder = active_user();
    let mut change = Change::new().insert_user(holder.clone());
    for n in 0..25 {
        let mut session = session(&holder);
        session.expires_at = after(n);
        change.sessions.push(session);
    }
    let sessions = change.sessions.clone();
    apply(bed, change).await;
    let mut batches = Vec::new();
    loop {
        let gone = bed.store.delete_expired(ExpiredRows::Sessions, after(20), 8).await.unwrap();
        batches.push(gone);
        if gone < 8 {
            break;
        }
    }
    assert_eq!(batches, [8, 8, 4]);
    for (n, session) in sessions.iter().enumerate() {
        let there = bed.store.session(session.id).await.unwrap().is_some();
        assert_eq!(there, n >= 20, "{n}");
    }
}

async fn stale_links_requests_and_keys_go(bed: &Bed) {
    let mut change = Change::new();
    for n in 0..10 {
        let mut link = used_link();
        link.at = after(n);
        change.used_links.push(link);
        let mut request = login_request(&some_email(), 0);
        request.at = after(n);
        change.login_requests.push(request);
    }
    apply(bed, change).await;
    for n in 0..10_u8 {
        let lease = std::time::Duration::from_secs(1);
        let at = after(u64::from(n));
        guestlist_database::idempotency::begin(&bed.database, [n; 32], [0; 32], at, lease)
            .await
            .unwrap();
    }
    for (what, table) in [
        (ExpiredRows::UsedLinks, "used_links"),
        (ExpiredRows::LoginRequests, "login_requests"),
        (ExpiredRows::IdempotencyKeys, "idempotency_keys"),
    ] {
        assert_eq!(bed.store.delete_expired(what, after(5), 100).await.unwrap(), 5);
        assert_eq!(bed.store.delete_expired(what, after(5), 100).await.unwrap(), 0);
        assert_eq!(bed.count(table).await, 5, "{table}");
    }
}

async fn nothing_stale_is_nothing_done(bed: &Bed) {
    let holder: User = active_user();
    let mut change = Change::new();
    change.sessions.push(session(&holder));
    apply(bed, change).await;
    for what in [ExpiredRows::Sessions, ExpiredRows::UsedLinks, ExpiredRows::LoginRequests, ExpiredRows::IdempotencyKeys] {
        assert_eq!(bed.store.delete_expired(what, now(), 100).await.unwrap(), 0);
        assert_eq!(bed.store.delete_expired(what, after(99_999), 0).await.unwrap(), 0);
    }
    assert_eq!(bed.count("sessions").await, 1);
}
