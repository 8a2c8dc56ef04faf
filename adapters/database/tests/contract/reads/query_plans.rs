//! Queries of requests and of periodic jobs read rows along an index, in its order.

use guestlist_domain::{
    ExpiredRows, GuardName, InvitationFilter, InvitationId, InvitationStatus, Page,
    ReadInvitations, ReadKeys, ReadReconciliation, ReadSessions, ReadUsers, Role, SessionId, Store,
    User, UserFilter, UserStatus,
};

use crate::support::fixtures::*;
use crate::support::query_plan::{assert_indexed, fill, plans};
use crate::support::test_database::{Engine, TestDatabase};
use crate::support::test_store::contract;

contract!(; sql:
    reads_neither_scan_nor_sort_a_table,
    periodic_queries_neither_scan_nor_sort_a_table;
    sqlite:
    admins_are_found_by_role_and_status,
    unfiltered_lists_are_read_along_the_primary_key,
);

async fn user_with_invitation(db: &TestDatabase) -> (User, InvitationId) {
    let users = fill(db).await;
    let invitations = db.store.invitations_of(users[1_000].id).await.unwrap();
    db.clear_statements();
    (users[1_000].clone(), invitations[0].id)
}

async fn reads_neither_scan_nor_sort_a_table(db: &TestDatabase) {
    let (user, invitation) = user_with_invitation(db).await;
    let store = &db.store;
    store.user(user.id).await.unwrap();
    store.user_by_email(&user.email).await.unwrap();
    store.user_by_provider_id("user-test-7").await.unwrap();
    store.count_active_admins().await.unwrap();
    store.guard(GuardName::ActiveAdmins).await.unwrap();
    store.users_by_provider_ids(&["user-test-7".into(), "user-test-8".into()]).await.unwrap();
    store.users_by_emails(&[user.email.clone(), unique_email()]).await.unwrap();
    store.users_from(Some(user.id), 9).await.unwrap();
    store.invitation(invitation).await.unwrap();
    store.latest_invitation(user.id).await.unwrap();
    store.latest_invitations(&[user.id, user.id]).await.unwrap();
    store.invitations_of(user.id).await.unwrap();
    store.timeline(invitation).await.unwrap();
    store.session_by_token(hash("x")).await.unwrap();
    store.session_by_provider_id("x").await.unwrap();
    store.live_sessions(user.id, now()).await.unwrap();
    let page = Page { after: Some(SessionId(id())), limit: 9 };
    store.sessions(user.id, now(), page).await.unwrap();
    store.used_link(hash("x")).await.unwrap();
    store.login_requests(&user.email, 5).await.unwrap();
    for (role, status) in [
        (None, Some(UserStatus::Active)),
        (Some(Role::Admin), None),
        (Some(Role::Admin), Some(UserStatus::Active)),
    ] {
        if db.engine == Engine::MySql && role.is_some() && status.is_some() {
            // MySQL reads `users_role_status_email` and sorts the users with the role and status.
            continue;
        }
        let filter = UserFilter { q: None, role, status };
        store.users(&filter, Page { after: Some(user.id.into()), limit: 9 }).await.unwrap();
    }
    let filter = InvitationFilter { q: None, status: Some(InvitationStatus::Sent) };
    store.invitations(&filter, Page { after: None, limit: 9 }).await.unwrap();
    if db.engine == Engine::Sqlite {
        // Tables without rows, which MySQL scans.
        store.tombstones(&["x".into(), "y".into()]).await.unwrap();
        store.api_key_by_hash(hash("x")).await.unwrap();
    }
    assert!(assert_indexed(db).await.len() >= 22);
}

async fn admins_are_found_by_role_and_status(db: &TestDatabase) {
    db.clear_statements();
    db.store.count_active_admins().await.unwrap();
    let (role, status) = (Some(Role::Admin), Some(UserStatus::Active));
    let filter = UserFilter { q: None, role, status };
    db.store.users(&filter, Page { after: Some(user().id.into()), limit: 9 }).await.unwrap();
    let steps = plans(db).await;
    assert_eq!(steps.len(), 2);
    for step in steps {
        assert!(step.text.contains("users_role_status (role=? AND status=?"), "{step:?}");
    }
}

async fn unfiltered_lists_are_read_along_the_primary_key(db: &TestDatabase) {
    db.clear_statements();
    db.store.users(&UserFilter::default(), Page { after: None, limit: 9 }).await.unwrap();
    db.store.users_from(None, 9).await.unwrap();
    db.store.last_reconciliation().await.unwrap();
    let steps = plans(db).await;
    assert_eq!(steps.len(), 3);
    for step in steps {
        assert!(step.text.contains("USING INDEX"), "{step:?}");
    }
}

async fn periodic_queries_neither_scan_nor_sort_a_table(db: &TestDatabase) {
    fill(db).await;
    db.store.overdue_invitations(now(), 10).await.unwrap();
    for what in [ExpiredRows::Sessions, ExpiredRows::UsedLinks, ExpiredRows::LoginRequests] {
        db.store.delete_expired(what, now(), 10).await.unwrap();
    }
    let mut expected = 5;
    if db.engine == Engine::Sqlite {
        // Tables without rows, which MySQL scans.
        db.store.delete_expired(ExpiredRows::IdempotencyKeys, now(), 10).await.unwrap();
        db.store.delete_expired(ExpiredRows::LinkClaims, now(), 10).await.unwrap();
        expected += 2;
    }
    assert_eq!(assert_indexed(db).await.len(), expected);
}
