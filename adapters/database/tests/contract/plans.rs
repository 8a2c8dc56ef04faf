//! What requests and sweeps read is found by an index, in its order.

use guestlist_domain::{
    GuardName, InvitationFilter, InvitationStatus, Page, ReadInvitations, ReadKeys,
    ReadReconciliation, ReadSessions, ReadUsers, Role, ExpiredRows, Store, UserFilter, UserStatus,
};
use sea_orm::{ConnectionTrait, Statement};

use crate::bed::{Bed, Engine, contract};
use crate::samples::*;

contract!(no_read_scans_a_table, no_sweep_sorts_a_table);

/// The steps of SQLite's plan for each SELECT that was sent.
pub(crate) async fn plans(bed: &Bed) -> Vec<(String, String)> {
    let mut plans = Vec::new();
    for statement in bed.take_statements() {
        if !statement.starts_with("SELECT") {
            continue;
        }
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let nothing = vec![sea_orm::Value::from(1); statement.matches('?').count()];
        let explain = Statement::from_sql_and_values(bed.database.backend(), explain, nothing);
        for row in bed.database.read().query_all_raw(explain).await.unwrap() {
            plans.push((row.try_get("", "detail").unwrap(), statement.clone()));
        }
    }
    bed.forget_statements();
    plans
}

async fn no_read_scans_a_table(bed: &Bed) {
    if bed.engine != Engine::Sqlite {
        return; // MySQL's plans depend on what is in the tables.
    }
    let (user, store) = (user(), &bed.store);
    let change = invite(&user);
    let invitation = change.invitations.insert[0].clone();
    store.apply(change).await.unwrap();
    bed.forget_statements();
    store.user(user.id).await.unwrap();
    store.user_by_email(&user.email).await.unwrap();
    store.user_by_provider_id("x").await.unwrap();
    store.count_active_admins().await.unwrap();
    store.guard(GuardName::ActiveAdmins).await.unwrap();
    store.users_by_provider_ids(&["x".into(), "y".into()]).await.unwrap();
    store.users_by_emails(&[user.email.clone(), some_email()]).await.unwrap();
    store.users_from(Some(user.id), 9).await.unwrap();
    store.tombstones(&["x".into(), "y".into()]).await.unwrap();
    store.invitation(invitation.id).await.unwrap();
    store.latest_invitation(user.id).await.unwrap();
    store.latest_invitations(&[user.id, user.id]).await.unwrap();
    store.invitations_of(user.id).await.unwrap();
    store.timeline(invitation.id).await.unwrap();
    store.session_by_token(hash("x")).await.unwrap();
    store.session_by_provider_id("x").await.unwrap();
    store.live_sessions(user.id, now()).await.unwrap();
    let page = Page { after: Some(guestlist_domain::SessionId(id())), limit: 9 };
    store.sessions(user.id, now(), page).await.unwrap();
    store.used_link(hash("x")).await.unwrap();
    store.login_requests(&user.email, 5).await.unwrap();
    store.api_key_by_hash(hash("x")).await.unwrap();
    for (role, status) in [
        (None, Some(UserStatus::Active)),
        (Some(Role::Admin), None),
        (Some(Role::Admin), Some(UserStatus::Active)),
    ] {
        let filter = UserFilter { q: None, role, status };
        store.users(&filter, Page { after: Some(user.id.into()), limit: 9 }).await.unwrap();
    }
    let filter = InvitationFilter { q: None, status: Some(InvitationStatus::Sent) };
    store.invitations(&filter, Page { after: None, limit: 9 }).await.unwrap();
    for (step, statement) in plans(bed).await {
        assert!(step.starts_with("SEARCH"), "{step}: {statement}");
    }
    // The few of a role that many have a status of are found among the few.
    store.count_active_admins().await.unwrap();
    let (role, status) = (Some(Role::Admin), Some(UserStatus::Active));
    let filter = UserFilter { q: None, role, status };
    store.users(&filter, Page { after: Some(user.id.into()), limit: 9 }).await.unwrap();
    for (step, statement) in plans(bed).await {
        assert!(step.contains("users_role_status (role=? AND status=?"), "{step}: {statement}");
    }
    // A list of everything is read along its key, as far as the piece goes.
    store.users(&UserFilter::default(), Page { after: None, limit: 9 }).await.unwrap();
    store.users_from(None, 9).await.unwrap();
    store.last_reconciliation().await.unwrap();
    for (step, statement) in plans(bed).await {
        assert!(step.contains("USING INDEX"), "{step}: {statement}");
    }
}

async fn no_sweep_sorts_a_table(bed: &Bed) {
    if bed.engine != Engine::Sqlite {
        return;
    }
    bed.forget_statements();
    bed.store.overdue_invitations(now(), 10).await.unwrap();
    for what in [ExpiredRows::Sessions, ExpiredRows::UsedLinks, ExpiredRows::LoginRequests, ExpiredRows::IdempotencyKeys] {
        bed.store.delete_expired(what, now(), 10).await.unwrap();
    }
    let plans = plans(bed).await;
    assert_eq!(plans.len(), 6);
    for (step, statement) in plans {
        assert!(step.starts_with("SEARCH") && step.contains("INDEX"), "{step}: {statement}");
    }
}
