//! What was written is read back as it was, field by field.

use guestlist_domain::{
    Actor, ApiKeyId, Change, EndReason, EventKind, GuardName, HeldBy, Invitation, InvitationStatus,
    ReadInvitations, ReadKeys, ReadSessions, ReadUsers, Scope, Store, StoreError, User, UserId,
    UserStatus, Verdict,
};
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::bed::{Bed, contract};
use crate::samples::*;

contract!(
    a_user_is_read_back,
    an_updated_user_is_read_back,
    an_invitation_is_read_back,
    an_updated_invitation_is_read_back,
    a_session_is_read_back_with_its_holder,
    what_stands_around_logins_is_read_back,
    an_api_key_is_read_back,
    a_timeline_is_read_back_in_order,
    what_is_not_there_is_none,
    what_nobody_wrote_is_corrupt,
    a_batch_of_sessions_fails_only_where_it_is_corrupt,
    the_store_is_ready_only_with_the_whole_schema,
);

async fn apply(bed: &Bed, change: Change) {
    assert_eq!(bed.store.apply(change).await.unwrap(), Verdict::Applied);
}

async fn a_user_is_read_back(bed: &Bed) {
    for user in [user(), whole_user()] {
        apply(bed, Change::new().insert_user(user.clone())).await;
        assert_eq!(bed.store.user(user.id).await.unwrap().as_ref(), Some(&user));
        assert_eq!(bed.store.user_by_email(&user.email).await.unwrap().as_ref(), Some(&user));
        if let Some(stytch_id) = &user.provider_user_id {
            let found = bed.store.user_by_provider_id(stytch_id).await.unwrap();
            assert_eq!(found.as_ref(), Some(&user));
        }
    }
}

async fn an_updated_user_is_read_back(bed: &Bed) {
    let first = user();
    apply(bed, Change::new().insert_user(first.clone())).await;
    for status in UserStatus::ALL {
        let read = bed.store.user(first.id).await.unwrap().unwrap();
        let email = read.email.clone();
        let changed = User { id: read.id, email, version: read.version, ..whole_user() };
        let changed = User { status: *status, ..changed };
        apply(bed, Change::new().update_user(changed.clone())).await;
        let expected = User { version: read.version + 1, ..changed };
        assert_eq!(bed.store.user(first.id).await.unwrap(), Some(expected));
    }
    // Back to the least, but for the last time they were seen, which only moves forward.
    let read = bed.store.user(first.id).await.unwrap().unwrap();
    apply(bed, Change::new().update_user(User { version: read.version, ..first.clone() })).await;
    let expected = User { version: read.version + 1, last_seen_at: read.last_seen_at, ..first };
    assert_eq!(bed.store.user(expected.id).await.unwrap(), Some(expected));
}

async fn an_invitation_is_read_back(bed: &Bed) {
    let key = Actor::Key { id: ApiKeyId(id()), name: "ci".to_owned() };
    let grace = Actor::User { id: UserId(id()), name: "Grace".to_owned() };
    for invited_by in [Actor::Cli, Actor::System, key, grace] {
        let user = user();
        let change = Change::new().insert_user(user.clone());
        let least = Invitation { invited_by, ..invitation(&user) };
        apply(bed, change.insert_invitation(least.clone())).await;
        assert_eq!(bed.store.invitation(least.id).await.unwrap(), Some(least));
    }
    let whole = whole_invitation(&user());
    apply(bed, Change::new().insert_invitation(whole.clone())).await;
    assert_eq!(bed.store.invitation(whole.id).await.unwrap(), Some(whole));
}

async fn an_updated_invitation_is_read_back(bed: &Bed) {
    let user = user();
    let first = invitation(&user);
    apply(bed, Change::new().insert_user(user.clone()).insert_invitation(first.clone())).await;
    let statuses = InvitationStatus::ALL.iter().zip(HeldBy::ALL.iter().cycle());
    for (status, held_by) in statuses {
        let read = bed.store.invitation(first.id).await.unwrap().unwrap();
        let changed = Invitation {
            id: first.id,
            invited_by: first.invited_by.clone(),
            status: *status,
            held_by: Some(*held_by),
            version: read.version,
            ..whole_invitation(&user)
        };
        apply(bed, Change::new().update_invitation(changed.clone())).await;
        let expected = Invitation { version: read.version + 1, ..changed };
        assert_eq!(bed.store.invitation(first.id).await.unwrap(), Some(expected));
    }
    let read = bed.store.invitation(first.id).await.unwrap().unwrap();
    let back = Invitation { version: read.version, ..first };
    apply(bed, Change::new().update_invitation(back.clone())).await;
    let expected = Invitation { version: read.version + 1, ..back };
    assert_eq!(bed.store.invitation(expected.id).await.unwrap(), Some(expected));
}

async fn a_session_is_read_back_with_its_holder(bed: &Bed) {
    let holder = whole_user();
    let least = session(&holder);
    let mut whole = session(&holder);
    whole.user_agent = Some("ü".repeat(400));
    whole.ip = Some("2001:db8:1111:2222:3333:4444:5555:6666".to_owned());
    whole.ended = Some((after(9), EndReason::GoneAtProvider));
    let mut change = Change::new().insert_user(holder.clone());
    change.sessions = vec![least.clone(), whole.clone()];
    apply(bed, change).await;
    for session in [least, whole] {
        let id = session.provider_session_id.clone();
        let expected = Some((session.clone(), holder.clone()));
        assert_eq!(bed.store.session_by_token(session.token_hash).await.unwrap(), expected);
        assert_eq!(bed.store.session_by_provider_id(&id).await.unwrap(), expected);
        assert_eq!(bed.store.session(session.id).await.unwrap(), Some(session));
    }
}

async fn what_stands_around_logins_is_read_back(bed: &Bed) {
    let mut change = Change::new();
    let (used, mut refused) = (used_link(), used_link());
    refused.user_id = None;
    change.used_links = vec![used.clone(), refused.clone()];
    let address = some_email();
    let mut plain = login_request(&address, 1);
    plain.return_to = None;
    change.login_requests = vec![login_request(&address, 0), plain.clone()];
    let first = change.login_requests[0].clone();
    apply(bed, change).await;
    for link in [used, refused] {
        assert_eq!(bed.store.used_link(link.token_hash).await.unwrap(), Some(link));
    }
    assert_eq!(bed.store.login_request(first.id).await.unwrap().as_ref(), Some(&first));
    let newest_first = vec![plain.clone(), first];
    assert_eq!(bed.store.login_requests(&address, 10).await.unwrap(), newest_first);
    assert_eq!(bed.store.login_requests(&address, 1).await.unwrap(), [plain]);
}

async fn an_api_key_is_read_back(bed: &Bed) {
    let mut whole = api_key();
    whole.scopes = Scope::ALL.to_vec();
    whole.last_used_at = Some(after(1));
    whole.revoked_at = Some(after(2));
    let mut open = api_key();
    open.scopes = vec![];
    let mut change = Change::new();
    change.api_keys.insert = vec![whole.clone(), open.clone()];
    apply(bed, change).await;
    for key in [&whole, &open] {
        assert_eq!(bed.store.api_key(key.id).await.unwrap().as_ref(), Some(key));
        assert_eq!(bed.store.api_key_by_hash(key.hash).await.unwrap().as_ref(), Some(key));
    }
    let mut change = Change::new();
    open.revoked_at = Some(after(3));
    open.name = String::from("old");
    change.api_keys.update.push(open.clone());
    apply(bed, change).await;
    open.version += 1;
    assert_eq!(bed.store.api_keys().await.unwrap(), [open, whole]);
}

async fn a_timeline_is_read_back_in_order(bed: &Bed) {
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
    apply(bed, change).await;
    assert_eq!(bed.store.timeline(invitation.id).await.unwrap(), expected);
    let mut last = event(&user, Some(&invitation));
    last.user_id = None;
    apply(bed, Change::new().event(last.clone())).await;
    expected.push(last);
    assert_eq!(bed.store.timeline(invitation.id).await.unwrap(), expected);
}

async fn what_is_not_there_is_none(bed: &Bed) {
    let user = user();
    let invitation = invitation(&user);
    assert_eq!(bed.store.user(user.id).await.unwrap(), None);
    assert_eq!(bed.store.user_by_email(&user.email).await.unwrap(), None);
    assert_eq!(bed.store.user_by_provider_id("user-1").await.unwrap(), None);
    assert_eq!(bed.store.invitation(invitation.id).await.unwrap(), None);
    assert_eq!(bed.store.latest_invitation(user.id).await.unwrap(), None);
    assert_eq!(bed.store.latest_invitations(&[user.id]).await.unwrap(), []);
    assert_eq!(bed.store.latest_invitations(&[]).await.unwrap(), []);
    assert_eq!(bed.store.invitations_of(user.id).await.unwrap(), []);
    assert_eq!(bed.store.timeline(invitation.id).await.unwrap(), []);
    assert_eq!(bed.store.session_by_token(hash("x")).await.unwrap(), None);
    assert_eq!(bed.store.session_by_provider_id("session-1").await.unwrap(), None);
    assert_eq!(bed.store.session(session(&user).id).await.unwrap(), None);
    assert_eq!(bed.store.live_sessions(user.id, now()).await.unwrap(), []);
    assert_eq!(bed.store.used_link(hash("x")).await.unwrap(), None);
    assert_eq!(bed.store.login_requests(&user.email, 5).await.unwrap(), []);
    assert_eq!(bed.store.api_key_by_hash(hash("x")).await.unwrap(), None);
    assert_eq!(bed.store.api_key(api_key().id).await.unwrap(), None);
    assert_eq!(bed.store.api_keys().await.unwrap(), []);
    assert_eq!(bed.store.count_active_admins().await.unwrap(), 0);
    assert_eq!(bed.store.guard(GuardName::ActiveAdmins).await.unwrap(), 0);
}

async fn what_nobody_wrote_is_corrupt(bed: &Bed) {
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
        apply(bed, change).await;
        let spoil = format!("UPDATE {table} SET {column} = 'spoilt'");
        bed.database.write().execute_unprepared(&spoil).await.unwrap();
        let error = match table {
            "users" => bed.store.user(user.id).await.unwrap_err(),
            "invitations" => bed.store.invitation(invitation).await.unwrap_err(),
            _ => bed.store.timeline(invitation).await.unwrap_err(),
        };
        let StoreError::Corrupt { table: where_, column: what, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((where_, what), (table, column));
    }
}

async fn a_batch_of_sessions_fails_only_where_it_is_corrupt(bed: &Bed) {
    let holder = active_user();
    let sessions: Vec<_> = (0..8).map(|_| session(&holder)).collect();
    let mut change = Change::new().insert_user(holder);
    change.sessions = sessions.clone();
    change.sessions[3].ended = Some((now(), EndReason::Revoked));
    apply(bed, change).await;
    let spoil = "UPDATE sessions SET end_reason = 'spoilt' WHERE ended_at IS NOT NULL";
    bed.database.write().execute_unprepared(spoil).await.unwrap();

    let tokens = sessions.iter().map(|s| s.token_hash).chain([hash("unknown")]);
    let found = futures::future::join_all(tokens.map(|t| bed.store.session_by_token(t))).await;
    for (index, found) in found.into_iter().enumerate() {
        match index {
            3 => assert!(matches!(found, Err(StoreError::Corrupt { table: "sessions", .. }))),
            8 => assert_eq!(found.unwrap(), None),
            _ => assert_eq!(found.unwrap().unwrap().0, sessions[index]),
        }
    }
}

async fn the_store_is_ready_only_with_the_whole_schema(bed: &Bed) {
    bed.store.ready().await.unwrap();
    let drop = "ALTER TABLE users DROP COLUMN last_seen_at";
    bed.database.write().execute_unprepared(drop).await.unwrap();
    let error = bed.store.ready().await.unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().contains("guestlist migrate up"), "{error}");
    let error = bed.database.check_schema().await.unwrap_err();
    assert!(error.to_string().contains("last_seen_at"), "{error}");
}
