//! What a change expected and did not find.

use guestlist_domain::{
    Change, Guard, GuardName, Invitation, InvitationStatus, ReadInvitations, ReadKeys,
    ReadSessions, ReadUsers, RemovedAddress, Store, Tombstone, User, UserId, UserStatus, Verdict,
};

use crate::bed::{Bed, contract};
use crate::samples::*;

contract!(
    an_address_is_taken_once,
    addresses_are_compared_letter_by_letter,
    deletion_frees_the_address,
    an_identity_is_one_persons,
    an_address_has_one_open_invitation,
    the_place_of_the_open_invitation_is_given_up_and_taken,
    an_old_version_is_refused,
    a_guard_is_raised_once,
    a_link_is_used_once,
    a_session_begins_once,
    an_asking_has_its_own_number,
    a_key_is_made_once,
    being_gone_twice_is_no_conflict,
    an_address_is_known_to_be_removed_and_can_be_removed_again,
);

async fn verdict(bed: &Bed, change: Change) -> Verdict {
    bed.store.apply(change).await.unwrap()
}

async fn applied(bed: &Bed, change: Change) {
    assert_eq!(verdict(bed, change).await, Verdict::Applied);
}

async fn refused(bed: &Bed, change: Change) {
    assert_eq!(verdict(bed, change).await, Verdict::Conflict);
}

async fn an_address_is_taken_once(bed: &Bed) {
    let first = user();
    applied(bed, Change::new().insert_user(first.clone())).await;
    let second = User { email: first.email.clone(), ..user() };
    refused(bed, Change::new().insert_user(second.clone())).await;
    assert_eq!(bed.store.user(second.id).await.unwrap(), None);
    assert_eq!(bed.store.user_by_email(&first.email).await.unwrap(), Some(first));
}

async fn addresses_are_compared_letter_by_letter(bed: &Bed) {
    for address in ["jose@example.com", "jos-e@example.com", "jose+a@example.com"] {
        let user = User { email: email(address), ..user() };
        applied(bed, Change::new().insert_user(user.clone())).await;
        let found = bed.store.user_by_email(&email(address)).await.unwrap();
        assert_eq!(found, Some(user));
    }
    assert_eq!(bed.store.user_by_email(&email("jos_e@example.com")).await.unwrap(), None);
    // Stytch's ids differ by case.
    let mut upper = user();
    upper.provider_user_id = Some("user-AB".to_owned());
    applied(bed, Change::new().insert_user(upper)).await;
    assert_eq!(bed.store.user_by_provider_id("user-ab").await.unwrap(), None);
}

async fn deletion_frees_the_address(bed: &Bed) {
    let first = user();
    applied(bed, Change::new().insert_user(first.clone())).await;
    let mut gone = Change::new();
    gone.users.delete.push(first.clone());
    applied(bed, gone.clone()).await;
    assert_eq!(bed.store.user(first.id).await.unwrap(), None);
    assert_eq!(bed.store.user_by_email(&first.email).await.unwrap(), None);
    refused(bed, gone).await;
    let again = User { email: first.email.clone(), ..user() };
    applied(bed, Change::new().insert_user(again.clone())).await;
    // In one change, too: deletions come first.
    let mut replaced = Change::new().insert_user(User { id: UserId(id()), ..again.clone() });
    replaced.users.delete.push(again);
    applied(bed, replaced).await;
}

async fn an_identity_is_one_persons(bed: &Bed) {
    let first = whole_user();
    applied(bed, Change::new().insert_user(first.clone())).await;
    let second = user();
    applied(bed, Change::new().insert_user(second.clone())).await;
    let provider_user_id = first.provider_user_id;
    refused(bed, Change::new().update_user(User { provider_user_id, ..second })).await;
}

async fn an_address_has_one_open_invitation(bed: &Bed) {
    let user = user();
    let first = invitation(&user);
    applied(bed, Change::new().insert_invitation(first.clone())).await;
    refused(bed, Change::new().insert_invitation(invitation(&user))).await;
    let closed = Invitation { status: InvitationStatus::Revoked, ..invitation(&user) };
    applied(bed, Change::new().insert_invitation(closed.clone())).await;
    let reopened = Invitation { status: InvitationStatus::Sent, ..closed };
    refused(bed, Change::new().update_invitation(reopened.clone())).await;
    let expired = Invitation { status: InvitationStatus::Expired, ..first };
    applied(bed, Change::new().update_invitation(expired)).await;
    applied(bed, Change::new().update_invitation(reopened)).await;
}

async fn the_place_of_the_open_invitation_is_given_up_and_taken(bed: &Bed) {
    let user = user();
    let mut older = invitation(&user);
    older.status = InvitationStatus::Expired;
    let newer = invitation(&user);
    let change = Change::new().insert_invitation(older.clone()).insert_invitation(newer.clone());
    applied(bed, change).await;
    // The one that takes it has the smaller id, and is written later all the same.
    older.status = InvitationStatus::Queued;
    let closed = Invitation { status: InvitationStatus::Failed, ..newer.clone() };
    let swap = Change::new().update_invitation(older.clone()).update_invitation(closed);
    applied(bed, swap).await;
    let mut deleted = Change::new().insert_invitation(invitation(&user));
    older.version += 1;
    deleted.invitations.delete.push(older.clone());
    applied(bed, deleted).await;
    assert_eq!(bed.store.invitation(older.id).await.unwrap(), None);
}

async fn an_old_version_is_refused(bed: &Bed) {
    let (user, key) = (user(), api_key());
    let mut change = invite(&user);
    let invitation = change.invitations.insert[0].clone();
    change.api_keys.insert.push(key.clone());
    applied(bed, change).await;

    let stale_user = User { version: 2, status: UserStatus::Active, ..user.clone() };
    let stale_invitation = Invitation { version: 0, ..invitation.clone() };
    let mut stale_key = key.clone();
    stale_key.version = 9;
    refused(bed, Change::new().update_user(stale_user.clone())).await;
    refused(bed, Change::new().update_invitation(stale_invitation.clone())).await;
    let (mut update, mut delete) = (Change::new(), Change::new());
    update.api_keys.update.push(stale_key.clone());
    delete.api_keys.delete.push(stale_key);
    refused(bed, update).await;
    refused(bed, delete).await;
    let mut delete = Change::new();
    delete.users.delete.push(stale_user);
    refused(bed, delete).await;
    let mut delete = Change::new();
    delete.invitations.delete.push(stale_invitation);
    refused(bed, delete).await;
    refused(bed, Change::new().update_user(active_user())).await;

    assert_eq!(bed.store.user_by_email(&user.email).await.unwrap(), Some(user));
    assert_eq!(bed.store.invitation(invitation.id).await.unwrap(), Some(invitation));
    assert_eq!(bed.store.api_key(key.id).await.unwrap(), Some(key));
}

async fn a_guard_is_raised_once(bed: &Bed) {
    let raise = |version| {
        let mut change = Change::new().insert_user(user());
        change.guards.push(Guard { name: GuardName::ActiveAdmins, version });
        change
    };
    refused(bed, raise(1)).await;
    applied(bed, raise(0)).await;
    refused(bed, raise(0)).await;
    applied(bed, raise(1)).await;
    refused(bed, raise(1)).await;
    assert_eq!(bed.store.guard(GuardName::ActiveAdmins).await.unwrap(), 2);
    assert_eq!(bed.count("users").await, 2);
}

async fn a_link_is_used_once(bed: &Bed) {
    let link = used_link();
    let use_it = |link: &guestlist_domain::UsedLink| {
        let mut change = Change::new();
        change.used_links.push(link.clone());
        change
    };
    applied(bed, use_it(&link)).await;
    let mut again = link.clone();
    again.user_id = None;
    refused(bed, use_it(&again)).await;
    assert_eq!(bed.store.used_link(link.token_hash).await.unwrap(), Some(link));
}

async fn a_session_begins_once(bed: &Bed) {
    let holder = active_user();
    let first = session(&holder);
    let begin = |session: guestlist_domain::Session| {
        let mut change = Change::new();
        change.sessions.push(session);
        change
    };
    applied(bed, begin(first.clone())).await;
    let mut same_token = session(&holder);
    same_token.token_hash = first.token_hash;
    refused(bed, begin(same_token)).await;
    let mut same_at_stytch = session(&holder);
    same_at_stytch.provider_session_id = first.provider_session_id;
    refused(bed, begin(same_at_stytch)).await;
}

async fn an_asking_has_its_own_number(bed: &Bed) {
    let address = some_email();
    let ask = |ordinal| {
        let mut change = Change::new();
        change.login_requests.push(login_request(&address, ordinal));
        change
    };
    applied(bed, ask(0)).await;
    refused(bed, ask(0)).await;
    applied(bed, ask(1)).await;
    assert_eq!(bed.store.login_requests(&address, 9).await.unwrap().len(), 2);
}

async fn a_key_is_made_once(bed: &Bed) {
    let key = api_key();
    let mut change = Change::new();
    change.api_keys.insert.push(key.clone());
    applied(bed, change.clone()).await;
    change.api_keys.insert[0].id = api_key().id;
    refused(bed, change).await;
    assert_eq!(bed.store.api_keys().await.unwrap(), [key]);
}

async fn an_address_is_known_to_be_removed_and_can_be_removed_again(bed: &Bed) {
    let (gone, other) = (some_email(), some_email());
    let mut change = Change::new();
    change.removed_addresses.push(RemovedAddress::of(&gone));
    assert!(!bed.store.was_removed(&gone).await.unwrap());
    applied(bed, change.clone()).await;
    applied(bed, change).await;
    assert!(bed.store.was_removed(&gone).await.unwrap());
    assert!(!bed.store.was_removed(&other).await.unwrap());
    assert_eq!(bed.count("removed_addresses").await, 1);
}

async fn being_gone_twice_is_no_conflict(bed: &Bed) {
    let stone = |user_id| {
        let provider_user_id = "user-test-1".to_owned();
        let mut change = Change::new();
        change.tombstones.push(Tombstone { provider_user_id, user_id, at: now() });
        change
    };
    applied(bed, stone(user().id)).await;
    applied(bed, stone(user().id)).await;
    assert_eq!(bed.count("tombstones").await, 1);
}
