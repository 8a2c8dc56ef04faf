//! Changes whose expectations do not hold are rejected.

use guestlist_domain::{
    Change, Guard, GuardName, Invitation, InvitationStatus, RemovedAddress, Tombstone, Update,
    User, UserId, UserStatus, Verdict,
};

use crate::support::fixtures::*;
use crate::support::test_store::{TestStore, contract};

contract!(
    an_address_is_taken_once,
    addresses_are_compared_by_code_point,
    deletion_frees_the_address,
    an_identity_belongs_to_one_user,
    an_address_has_one_open_invitation,
    an_invitation_can_be_opened_when_another_is_closed_in_the_same_change,
    an_outdated_version_conflicts,
    a_guard_is_incremented_once_per_version,
    a_link_is_used_once,
    a_session_is_inserted_once,
    the_ordinal_of_a_login_request_is_unique,
    an_api_key_is_inserted_once,
    a_tombstone_can_be_written_again,
    a_removed_address_is_recorded_and_can_be_removed_again,
);

async fn assert_conflict(db: &TestStore, change: Change) {
    assert_eq!(db.verdict(change).await, Verdict::Conflict);
}

async fn an_address_is_taken_once(db: &TestStore) {
    let first = user();
    db.apply(Change::new().insert_user(first.clone())).await;
    let second = User { email: first.email.clone(), ..user() };
    assert_conflict(db, Change::new().insert_user(second.clone())).await;
    assert_eq!(db.store.user(second.id).await.unwrap(), None);
    assert_eq!(db.store.user_by_email(&first.email).await.unwrap(), Some(first));
}

async fn addresses_are_compared_by_code_point(db: &TestStore) {
    for address in ["jose@example.com", "jos-e@example.com", "jose+a@example.com"] {
        let user = User { email: email(address), ..user() };
        db.apply(Change::new().insert_user(user.clone())).await;
        let found = db.store.user_by_email(&email(address)).await.unwrap();
        assert_eq!(found, Some(user));
    }
    assert_eq!(db.store.user_by_email(&email("jos_e@example.com")).await.unwrap(), None);
    // Stytch's ids are case-sensitive.
    let mut upper = user();
    upper.provider_user_id = Some("user-AB".to_owned());
    db.apply(Change::new().insert_user(upper)).await;
    assert_eq!(db.store.user_by_provider_id("user-ab").await.unwrap(), None);
}

async fn deletion_frees_the_address(db: &TestStore) {
    let first = user();
    db.apply(Change::new().insert_user(first.clone())).await;
    let mut deletion = Change::new();
    deletion.users.delete.push(first.clone());
    db.apply(deletion.clone()).await;
    assert_eq!(db.store.user(first.id).await.unwrap(), None);
    assert_eq!(db.store.user_by_email(&first.email).await.unwrap(), None);
    assert_conflict(db, deletion).await;
    let again = User { email: first.email.clone(), ..user() };
    db.apply(Change::new().insert_user(again.clone())).await;
    // Within one change deletions precede insertions.
    let mut replaced = Change::new().insert_user(User { id: UserId(id()), ..again.clone() });
    replaced.users.delete.push(again);
    db.apply(replaced).await;
}

async fn an_identity_belongs_to_one_user(db: &TestStore) {
    let first = full_user();
    db.apply(Change::new().insert_user(first.clone())).await;
    let second = user();
    db.apply(Change::new().insert_user(second.clone())).await;
    let linked = User { provider_user_id: first.provider_user_id, ..second.clone() };
    assert_conflict(db, Change::new().update_user(second, linked)).await;
}

async fn an_address_has_one_open_invitation(db: &TestStore) {
    let user = user();
    let first = invitation(&user);
    db.apply(Change::new().insert_invitation(first.clone())).await;
    assert_conflict(db, Change::new().insert_invitation(invitation(&user))).await;
    let closed = Invitation { status: InvitationStatus::Revoked, ..invitation(&user) };
    db.apply(Change::new().insert_invitation(closed.clone())).await;
    let reopened = Invitation { status: InvitationStatus::Sent, ..closed.clone() };
    let reopening = Change::new().update_invitation(closed, reopened);
    assert_conflict(db, reopening.clone()).await;
    let expired = Invitation { status: InvitationStatus::Expired, ..first.clone() };
    db.apply(Change::new().update_invitation(first, expired)).await;
    db.apply(reopening).await;
}

async fn an_invitation_can_be_opened_when_another_is_closed_in_the_same_change(db: &TestStore) {
    let user = user();
    let mut older = invitation(&user);
    older.status = InvitationStatus::Expired;
    let newer = invitation(&user);
    let change = Change::new().insert_invitation(older.clone()).insert_invitation(newer.clone());
    db.apply(change).await;
    // The invitation that is opened has the smaller id, and is written later nevertheless.
    let before = older.clone();
    older.status = InvitationStatus::Queued;
    let closed = Invitation { status: InvitationStatus::Failed, ..newer.clone() };
    let swap = Change::new();
    let swap = swap.update_invitation(before, older.clone()).update_invitation(newer, closed);
    db.apply(swap).await;
    let mut deleted = Change::new().insert_invitation(invitation(&user));
    older.version += 1;
    deleted.invitations.delete.push(older.clone());
    db.apply(deleted).await;
    assert_eq!(db.store.invitation(older.id).await.unwrap(), None);
}

async fn an_outdated_version_conflicts(db: &TestStore) {
    let (user, key) = (user(), api_key());
    let mut change = invite(&user);
    let invitation = change.invitations.insert[0].clone();
    change.api_keys.insert.push(key.clone());
    db.apply(change).await;

    let stale_user = User { version: 2, status: UserStatus::Active, ..user.clone() };
    let stale_invitation = Invitation { version: 0, ..invitation.clone() };
    let mut stale_key = key.clone();
    stale_key.version = 9;
    let update_user = |user: User| Change::new().update_user(user.clone(), user);
    assert_conflict(db, update_user(stale_user.clone())).await;
    let update =
        Change::new().update_invitation(stale_invitation.clone(), stale_invitation.clone());
    assert_conflict(db, update).await;
    let (mut update, mut delete) = (Change::new(), Change::new());
    update.api_keys.update.push(Update { before: stale_key.clone(), after: stale_key.clone() });
    delete.api_keys.delete.push(stale_key);
    assert_conflict(db, update).await;
    assert_conflict(db, delete).await;
    let mut delete = Change::new();
    delete.users.delete.push(stale_user);
    assert_conflict(db, delete).await;
    let mut delete = Change::new();
    delete.invitations.delete.push(stale_invitation);
    assert_conflict(db, delete).await;
    assert_conflict(db, update_user(active_user())).await;

    assert_eq!(db.store.user_by_email(&user.email).await.unwrap(), Some(user));
    assert_eq!(db.store.invitation(invitation.id).await.unwrap(), Some(invitation));
    assert_eq!(db.store.api_key(key.id).await.unwrap(), Some(key));
}

async fn a_guard_is_incremented_once_per_version(db: &TestStore) {
    let increment = |version| {
        let mut change = Change::new().insert_user(user());
        change.guards.push(Guard { name: GuardName::ActiveAdmins, version });
        change
    };
    assert_conflict(db, increment(1)).await;
    db.apply(increment(0)).await;
    assert_conflict(db, increment(0)).await;
    db.apply(increment(1)).await;
    assert_conflict(db, increment(1)).await;
    assert_eq!(db.store.guard(GuardName::ActiveAdmins).await.unwrap(), 2);
    assert_eq!(db.count("users").await, 2);
}

async fn a_link_is_used_once(db: &TestStore) {
    let link = used_link();
    let insert = |link: &guestlist_domain::UsedLink| {
        let mut change = Change::new();
        change.used_links.push(link.clone());
        change
    };
    db.apply(insert(&link)).await;
    let mut again = link.clone();
    again.user_id = None;
    assert_conflict(db, insert(&again)).await;
    assert_eq!(db.store.used_link(link.token_hash).await.unwrap(), Some(link));
}

async fn a_session_is_inserted_once(db: &TestStore) {
    let user = active_user();
    let first = session(&user);
    let insert = |session: guestlist_domain::Session| {
        let mut change = Change::new();
        change.sessions.push(session);
        change
    };
    db.apply(insert(first.clone())).await;
    let mut same_token = session(&user);
    same_token.token_hash = first.token_hash;
    assert_conflict(db, insert(same_token)).await;
    let mut same_at_stytch = session(&user);
    same_at_stytch.provider_session_id = first.provider_session_id;
    assert_conflict(db, insert(same_at_stytch)).await;
}

async fn the_ordinal_of_a_login_request_is_unique(db: &TestStore) {
    let address = unique_email();
    let insert = |ordinal| {
        let mut change = Change::new();
        change.login_requests.push(login_request(&address, ordinal));
        change
    };
    db.apply(insert(0)).await;
    assert_conflict(db, insert(0)).await;
    db.apply(insert(1)).await;
    assert_eq!(db.store.login_requests(&address, 9).await.unwrap().len(), 2);
}

async fn an_api_key_is_inserted_once(db: &TestStore) {
    let key = api_key();
    let mut change = Change::new();
    change.api_keys.insert.push(key.clone());
    db.apply(change.clone()).await;
    change.api_keys.insert[0].id = api_key().id;
    assert_conflict(db, change).await;
    assert_eq!(db.store.api_keys().await.unwrap(), [key]);
}

async fn a_removed_address_is_recorded_and_can_be_removed_again(db: &TestStore) {
    let (removed, other) = (unique_email(), unique_email());
    let mut change = Change::new();
    change.removed_addresses.push(RemovedAddress::of(&removed));
    assert!(!db.store.was_removed(&removed).await.unwrap());
    db.apply(change.clone()).await;
    db.apply(change).await;
    assert!(db.store.was_removed(&removed).await.unwrap());
    assert!(!db.store.was_removed(&other).await.unwrap());
    assert_eq!(db.count("removed_addresses").await, 1);
}

async fn a_tombstone_can_be_written_again(db: &TestStore) {
    let tombstone = |user_id| {
        let provider_user_id = "user-test-1".to_owned();
        let mut change = Change::new();
        change.tombstones.push(Tombstone { provider_user_id, user_id, at: now() });
        change
    };
    db.apply(tombstone(user().id)).await;
    db.apply(tombstone(user().id)).await;
    assert_eq!(db.count("tombstones").await, 1);
}
