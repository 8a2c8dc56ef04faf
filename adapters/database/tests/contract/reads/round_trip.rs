//! Rows are read back as they were written, in every field.

use guestlist_domain::{
    Actor, ApiKeyId, Change, EndReason, EventKind, GuardName, HeldBy, Invitation, InvitationStatus,
    ReadInvitations, ReadSessions, ReadUsers, Scope, Store, StoreError, Update, User, UserId,
    UserStatus,
};
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::support::fixtures::*;
use crate::support::test_database::TestDatabase;
use crate::support::test_store::{TestStore, contract};

contract!(
    a_user_is_read_back,
    an_updated_user_is_read_back,
    an_invitation_is_read_back,
    an_updated_invitation_is_read_back,
    a_session_is_read_back_with_its_user,
    used_links_and_login_requests_are_read_back,
    an_api_key_is_read_back,
    a_timeline_is_read_back_in_order,
    missing_rows_are_none;
    sql:
    invalid_values_are_reported_as_corrupt,
    a_corrupt_session_fails_only_its_own_lookup,
    the_store_is_ready_only_with_the_whole_schema,
);

async fn a_user_is_read_back(db: &TestStore) {
    for user in [user(), full_user()] {
        db.apply(Change::new().insert_user(user.clone())).await;
        assert_eq!(db.store.user(user.id).await.unwrap().as_ref(), Some(&user));
        assert_eq!(db.store.user_by_email(&user.email).await.unwrap().as_ref(), Some(&user));
        if let Some(stytch_id) = &user.provider_user_id {
            let found = db.store.user_by_provider_id(stytch_id).await.unwrap();
            assert_eq!(found.as_ref(), Some(&user));
        }
    }
}

async fn an_updated_user_is_read_back(db: &TestStore) {
    let first = user();
    db.apply(Change::new().insert_user(first.clone())).await;
    for status in UserStatus::ALL {
        let read = db.store.user(first.id).await.unwrap().unwrap();
        let email = read.email.clone();
        let changed = User { id: read.id, email, version: read.version, ..full_user() };
        let changed = User { status: *status, ..changed };
        db.apply(Change::new().update_user(read.clone(), changed.clone())).await;
        let expected = User { version: read.version + 1, ..changed };
        assert_eq!(db.store.user(first.id).await.unwrap(), Some(expected));
    }
    // All optional fields are removed but the last-seen time, which only moves forward.
    let read = db.store.user(first.id).await.unwrap().unwrap();
    let cleared = User { version: read.version, ..first.clone() };
    db.apply(Change::new().update_user(read.clone(), cleared)).await;
    let expected = User { version: read.version + 1, last_seen_at: read.last_seen_at, ..first };
    assert_eq!(db.store.user(expected.id).await.unwrap(), Some(expected));
}

async fn an_invitation_is_read_back(db: &TestStore) {
    let key = Actor::Key { id: ApiKeyId(id()), name: "ci".to_owned() };
    let grace = Actor::User { id: UserId(id()), name: "Grace".to_owned() };
    for invited_by in [Actor::Cli, Actor::System, key, grace] {
        let user = user();
        let change = Change::new().insert_user(user.clone());
        let minimal = Invitation { invited_by, ..invitation(&user) };
        db.apply(change.insert_invitation(minimal.clone())).await;
        assert_eq!(db.store.invitation(minimal.id).await.unwrap(), Some(minimal));
    }
    let full = full_invitation(&user());
    db.apply(Change::new().insert_invitation(full.clone())).await;
    assert_eq!(db.store.invitation(full.id).await.unwrap(), Some(full));
}

async fn an_updated_invitation_is_read_back(db: &TestStore) {
    let user = user();
    let first = invitation(&user);
    db.apply(Change::new().insert_user(user.clone()).insert_invitation(first.clone())).await;
    let statuses = InvitationStatus::ALL.iter().zip(HeldBy::ALL.iter().cycle());
    for (status, held_by) in statuses {
        let read = db.store.invitation(first.id).await.unwrap().unwrap();
        let changed = Invitation {
            id: first.id,
            invited_by: first.invited_by.clone(),
            status: *status,
            held_by: Some(*held_by),
            version: read.version,
            ..full_invitation(&user)
        };
        db.apply(Change::new().update_invitation(read.clone(), changed.clone())).await;
        let expected = Invitation { version: read.version + 1, ..changed };
        assert_eq!(db.store.invitation(first.id).await.unwrap(), Some(expected));
    }
    let read = db.store.invitation(first.id).await.unwrap().unwrap();
    let back = Invitation { version: read.version, ..first };
    db.apply(Change::new().update_invitation(read.clone(), back.clone())).await;
    let expected = Invitation { version: read.version + 1, ..back };
    assert_eq!(db.store.invitation(expected.id).await.unwrap(), Some(expected));
}

async fn a_session_is_read_back_with_its_user(db: &TestStore) {
    let holder = full_user();
    let minimal = session(&holder);
    let mut full = session(&holder);
    full.user_agent = Some("ü".repeat(400));
    full.ip = Some("2001:db8:1111:2222:3333:4444:5555:6666".to_owned());
    full.ended = Some((after(9), EndReason::GoneAtProvider));
    let mut change = Change::new().insert_user(holder.clone());
    change.sessions = vec![minimal.clone(), full.clone()];
    db.apply(change).await;
    for session in [minimal, full] {
        let id = session.provider_session_id.clone();
        let expected = Some((session.clone(), holder.clone()));
        assert_eq!(db.store.session_by_token(session.token_hash).await.unwrap(), expected);
        assert_eq!(db.store.session_by_provider_id(&id).await.unwrap(), expected);
        assert_eq!(db.store.session(session.id).await.unwrap(), Some(session));
    }
}

async fn used_links_and_login_requests_are_read_back(db: &TestStore) {
    let mut change = Change::new();
    let (used, mut refused) = (used_link(), used_link());
    refused.user_id = None;
    change.used_links = vec![used.clone(), refused.clone()];
    let address = unique_email();
    let mut plain = login_request(&address, 1);
    plain.return_to = None;
    change.login_requests = vec![login_request(&address, 0), plain.clone()];
    let first = change.login_requests[0].clone();
    db.apply(change).await;
    for link in [used, refused] {
        assert_eq!(db.store.used_link(link.token_hash).await.unwrap(), Some(link));
    }
    assert_eq!(db.store.login_request(first.id).await.unwrap().as_ref(), Some(&first));
    let newest_first = vec![plain.clone(), first];
    assert_eq!(db.store.login_requests(&address, 10).await.unwrap(), newest_first);
    assert_eq!(db.store.login_requests(&address, 1).await.unwrap(), [plain]);
}

async fn an_api_key_is_read_back(db: &TestStore) {
    let mut full = api_key();
    full.scopes = Scope::ALL.to_vec();
    full.last_used_at = Some(after(1));
    full.revoked_at = Some(after(2));
    let mut open = api_key();
    open.scopes = vec![];
    let mut change = Change::new();
    change.api_keys.insert = vec![full.clone(), open.clone()];
    db.apply(change).await;
    for key in [&full, &open] {
        assert_eq!(db.store.api_key(key.id).await.unwrap().as_ref(), Some(key));
        assert_eq!(db.store.api_key_by_hash(key.hash).await.unwrap().as_ref(), Some(key));
    }
    let mut change = Change::new();
    let before = open.clone();
    open.revoked_at = Some(after(3));
    open.name = String::from("old");
    change.api_keys.update.push(Update { before, after: open.clone() });
    db.apply(change).await;
    open.version += 1;
    assert_eq!(db.store.api_keys().await.unwrap(), [open, full]);
}

async fn a_timeline_is_read_back_in_order(db: &TestStore) {
    let user = user();
    let invitation = invitation(&user);
    let events = EventKind::ALL.iter().map(|kind| {
        let mut event = event(&user, Some(&invitation));
        event.kind = *kind;
        event.detail = json!({"n": 1, "deep": {"list": [null, true, "ü"]}});
        event.actor = Actor::of(&user);
        event.from_ip = Some("2001:db8::8a2e:370:7334".parse().unwrap());
        event
    });
    let mut change = Change::new();
    change.events = events.collect();
    let mut expected = change.events.clone();
    change.events.reverse();
    db.apply(change).await;
    assert_eq!(db.store.timeline(invitation.id).await.unwrap(), expected);
    let mut last = event(&user, Some(&invitation));
    last.user_id = None;
    db.apply(Change::new().event(last.clone())).await;
    expected.push(last);
    assert_eq!(db.store.timeline(invitation.id).await.unwrap(), expected);
}

async fn missing_rows_are_none(db: &TestStore) {
    let user = user();
    let invitation = invitation(&user);
    assert_eq!(db.store.user(user.id).await.unwrap(), None);
    assert_eq!(db.store.user_by_email(&user.email).await.unwrap(), None);
    assert_eq!(db.store.user_by_provider_id("user-1").await.unwrap(), None);
    assert_eq!(db.store.invitation(invitation.id).await.unwrap(), None);
    assert_eq!(db.store.latest_invitation(user.id).await.unwrap(), None);
    assert_eq!(db.store.latest_invitations(&[user.id]).await.unwrap(), []);
    assert_eq!(db.store.latest_invitations(&[]).await.unwrap(), []);
    assert_eq!(db.store.invitations_of(user.id).await.unwrap(), []);
    assert_eq!(db.store.timeline(invitation.id).await.unwrap(), []);
    assert_eq!(db.store.session_by_token(hash("x")).await.unwrap(), None);
    assert_eq!(db.store.session_by_provider_id("session-1").await.unwrap(), None);
    assert_eq!(db.store.session(session(&user).id).await.unwrap(), None);
    assert_eq!(db.store.live_sessions(user.id, now()).await.unwrap(), []);
    assert_eq!(db.store.used_link(hash("x")).await.unwrap(), None);
    assert_eq!(db.store.login_requests(&user.email, 5).await.unwrap(), []);
    assert_eq!(db.store.api_key_by_hash(hash("x")).await.unwrap(), None);
    assert_eq!(db.store.api_key(api_key().id).await.unwrap(), None);
    assert_eq!(db.store.api_keys().await.unwrap(), []);
    assert_eq!(db.store.count_active_admins().await.unwrap(), 0);
    assert_eq!(db.store.guard(GuardName::ActiveAdmins).await.unwrap(), 0);
}

async fn invalid_values_are_reported_as_corrupt(db: &TestDatabase) {
    for (table, column) in [
        ("users", "role"),
        ("users", "status"),
        ("users", "email"),
        ("users", "metadata"),
        ("invitations", "status"),
        ("invitations", "held_by"),
        ("invitations", "invited_by_type"),
        ("invitations", "last_error_code"),
        ("events", "kind"),
        ("events", "detail"),
        ("events", "from_ip"),
    ] {
        let user = user();
        let change = invite(&user);
        let invitation = change.invitations.insert[0].id;
        db.apply(change).await;
        let corrupt = format!("UPDATE {table} SET {column} = 'invalid'");
        db.database.write().execute_unprepared(&corrupt).await.unwrap();
        let error = match table {
            "users" => db.store.user(user.id).await.unwrap_err(),
            "invitations" => db.store.invitation(invitation).await.unwrap_err(),
            _ => db.store.timeline(invitation).await.unwrap_err(),
        };
        let StoreError::Corrupt { table: corrupt_table, column: corrupt_column, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((corrupt_table, corrupt_column), (table, column));
    }
}

async fn a_corrupt_session_fails_only_its_own_lookup(db: &TestDatabase) {
    let holder = active_user();
    let sessions: Vec<_> = (0..8).map(|_| session(&holder)).collect();
    let mut change = Change::new().insert_user(holder);
    change.sessions = sessions.clone();
    change.sessions[3].ended = Some((now(), EndReason::Revoked));
    db.apply(change).await;
    let corrupt = "UPDATE sessions SET end_reason = 'invalid' WHERE ended_at IS NOT NULL";
    db.database.write().execute_unprepared(corrupt).await.unwrap();

    let tokens = sessions.iter().map(|s| s.token_hash).chain([hash("unknown")]);
    let found = futures::future::join_all(tokens.map(|t| db.store.session_by_token(t))).await;
    for (index, found) in found.into_iter().enumerate() {
        match index {
            3 => assert!(matches!(found, Err(StoreError::Corrupt { table: "sessions", .. }))),
            8 => assert_eq!(found.unwrap(), None),
            _ => assert_eq!(found.unwrap().unwrap().0, sessions[index]),
        }
    }
}

async fn the_store_is_ready_only_with_the_whole_schema(db: &TestDatabase) {
    db.store.ready().await.unwrap();
    let drop = "ALTER TABLE users DROP COLUMN last_seen_at";
    db.database.write().execute_unprepared(drop).await.unwrap();
    let error = db.store.ready().await.unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().contains("guestlist migrate up"), "{error}");
    let error = db.database.check_schema().await.unwrap_err();
    assert!(error.to_string().contains("last_seen_at"), "{error}");
}
