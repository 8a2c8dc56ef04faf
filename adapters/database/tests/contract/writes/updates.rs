//! An update writes the columns that changed, and increments the version.

use guestlist_domain::{Change, Invitation, InvitationStatus, User, UserStatus};

use crate::support::fixtures::*;
use crate::support::test_database::TestDatabase;
use crate::support::test_store::{TestStore, contract};

contract!(
    rows_of_a_change_get_the_values_that_they_change,
    an_update_without_differences_increments_the_version;
    sql:
    an_update_names_the_changed_columns_only,
    rows_with_the_same_changed_columns_share_a_statement,
);

/// Returns the texts of the UPDATE statements since the last call, without quotation marks.
fn take_updates(db: &TestDatabase) -> Vec<String> {
    let statements = db.take_statements().into_iter();
    let updates = statements.filter(|statement| statement.starts_with("UPDATE"));
    updates.map(|statement| statement.replace(['`', '"'], "")).collect()
}

async fn insert_users(db: &TestStore, users: &[User]) {
    let mut change = Change::new();
    change.users.insert = users.to_vec();
    db.apply(change).await;
}

async fn rows_of_a_change_get_the_values_that_they_change(db: &TestStore) {
    let users: Vec<User> = (0..12).map(|_| full_user()).collect();
    insert_users(db, &users).await;
    let updated = |(n, user): (usize, &User)| {
        let mut after = user.clone();
        match n % 4 {
            0 => after.name = name(&format!("Ada {n}")),
            1 => after.status = UserStatus::Suspended,
            2 => (after.name, after.status) = (None, UserStatus::Suspended),
            _ => {}
        }
        after
    };
    let updated: Vec<User> = users.iter().enumerate().map(updated).collect();
    let change = std::iter::zip(&users, &updated).fold(Change::new(), |change, (before, after)| {
        change.update_user(before.clone(), after.clone())
    });
    db.apply(change).await;
    for after in updated {
        let read = db.store.user(after.id).await.unwrap();
        assert_eq!(read, Some(User { version: 2, ..after }));
    }
}

async fn an_update_without_differences_increments_the_version(db: &TestStore) {
    let user = full_user();
    insert_users(db, std::slice::from_ref(&user)).await;
    db.apply(Change::new().update_user(user.clone(), user.clone())).await;
    assert_eq!(db.store.user(user.id).await.unwrap(), Some(User { version: 2, ..user }));
}

async fn an_update_names_the_changed_columns_only(db: &TestDatabase) {
    let user = user();
    let change = invite(&user);
    let invitation = change.invitations.insert[0].clone();
    db.apply(change).await;
    take_updates(db);
    let (status, sent_at) = (InvitationStatus::Sent, Some(after(1)));
    let sent = Invitation { status, sent_at, ..invitation.clone() };
    let seen = User { last_seen_at: Some(after(1)), ..user.clone() };
    db.apply(Change::new().update_user(user, seen).update_invitation(invitation, sent)).await;
    assert_eq!(
        take_updates(db),
        [
            "UPDATE users SET last_seen_at = (CASE WHEN (users.last_seen_at IS NULL \
             OR users.last_seen_at < ?) THEN ? ELSE last_seen_at END), version = version + ? \
             WHERE users.id IN (?) AND users.version = ?",
            "UPDATE invitations SET status = ?, sent_at = ?, version = version + ? \
             WHERE invitations.id IN (?) AND invitations.version = ?",
        ]
    );
}

async fn rows_with_the_same_changed_columns_share_a_statement(db: &TestDatabase) {
    let users: Vec<User> = (0..4).map(|_| user()).collect();
    insert_users(db, &users).await;
    take_updates(db);
    let updated = |(n, user): (usize, &User)| match n {
        0 | 2 => User { status: UserStatus::Suspended, ..user.clone() },
        _ => User { provider_user_id: Some(format!("user-{n}")), ..user.clone() },
    };
    let change = users.iter().enumerate().fold(Change::new(), |change, (n, before)| {
        change.update_user(before.clone(), updated((n, before)))
    });
    db.apply(change).await;
    assert_eq!(
        take_updates(db),
        [
            "UPDATE users SET status = ?, version = version + ? \
             WHERE users.id IN (?, ?) AND users.version = ?",
            "UPDATE users SET provider_user_id = (CASE WHEN (users.id = ?) THEN ? \
             WHEN (users.id = ?) THEN ? END), version = version + ? \
             WHERE users.id IN (?, ?) AND users.version = ?",
        ]
    );
}
