//! Pages of a list neither omit nor repeat a row, and searches match prefixes.

use std::collections::HashSet;

use guestlist_domain::{
    Change, Cursor, Invitation, InvitationFilter, InvitationStatus, Page, Role, SearchPrefix, User,
    UserFilter, UserId, UserStatus,
};
use uuid::Uuid;

use crate::support::fixtures::*;
use crate::support::test_store::{TestStore, contract};

contract!(
    pages_of_users_add_up_to_the_whole_list,
    pages_of_invitations_add_up_to_the_whole_list,
    users_are_searched_by_address_and_name,
    invitations_are_searched_by_address,
    a_search_has_no_wildcards,
    filters_are_combined,
    active_admins_are_counted,
    the_latest_invitation_of_each_user_is_found,
);

const ALL: Page<Cursor<UserId>> = Page { after: None, limit: 200 };

async fn insert(db: &TestStore, users: &[User]) {
    let mut change = Change::new();
    change.users.insert = users.to_vec();
    db.apply(change).await;
}

/// Returns ids (UUID version 7) of one millisecond, which differ in their random bits only.
fn same_millisecond(n: usize) -> Vec<Uuid> {
    let id = |n: u8| {
        let random = [n.wrapping_mul(37), n.wrapping_mul(101), 0, 0, 0, 0, 0, 0, n, 255 - n];
        uuid::Builder::from_unix_timestamp_millis(1_795_000_000_000, &random).into_uuid()
    };
    (0..u8::try_from(n).unwrap()).map(id).collect()
}

async fn pages_of_users_add_up_to_the_whole_list(db: &TestStore) {
    let ids = same_millisecond(97);
    let users: Vec<User> = ids.iter().map(|id| User { id: UserId(*id), ..user() }).collect();
    insert(db, &users).await;
    let mut expected: Vec<_> = users.iter().map(|user| user.id).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    for limit in [1, 10, 96, 97, 200] {
        let mut page = Page { after: None, limit };
        let mut seen = Vec::new();
        loop {
            let page_rows = db.store.users(&UserFilter::default(), page.clone()).await.unwrap();
            seen.extend(page_rows.iter().map(|user| user.id));
            let Some(last) = page_rows.last() else { break };
            assert!(page_rows.len() <= usize::try_from(limit).unwrap());
            page.after = Some(last.id.into());
        }
        assert_eq!(seen, expected);
    }
}

async fn pages_of_invitations_add_up_to_the_whole_list(db: &TestStore) {
    let ids = same_millisecond(50);
    let mut change = Change::new();
    for id in &ids {
        let id = guestlist_domain::InvitationId(*id);
        change.invitations.insert.push(Invitation { id, ..invitation(&user()) });
    }
    let mut expected: Vec<_> = change.invitations.insert.iter().map(|i| i.id).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    db.apply(change).await;
    let mut page = Page { after: None, limit: 7 };
    let mut seen = Vec::new();
    loop {
        let filter = InvitationFilter { status: Some(InvitationStatus::Queued), q: None };
        let page_rows = db.store.invitations(&filter, page.clone()).await.unwrap();
        let Some(last) = page_rows.last() else { break };
        page.after = Some(last.id.into());
        seen.extend(page_rows.iter().map(|invitation| invitation.id));
    }
    assert_eq!(seen, expected);
}

fn named(address: &str, user_name: &str) -> User {
    User { email: email(address), name: name(user_name), ..user() }
}

async fn found(db: &TestStore, q: &str) -> Vec<String> {
    let filter = UserFilter { q: SearchPrefix::of(q), ..UserFilter::default() };
    let users = db.store.users(&filter, ALL).await.unwrap();
    let ids: HashSet<_> = users.iter().map(|user| user.id).collect();
    assert_eq!(ids.len(), users.len(), "a user occurs twice");
    users.iter().map(|user| user.email.as_str().split('@').next().unwrap().to_owned()).collect()
}

async fn users_are_searched_by_address_and_name(db: &TestStore) {
    let users = [
        named("ada@example.com", "Countess of Lovelace"),
        named("grace@example.com", "Ada's friend"),
        named("adam@example.com", "Adam"),
        named("edsger@example.com", "Ädsger ß İ"),
        named("zoe@example.com", ""),
    ];
    insert(db, &users).await;
    assert_eq!(found(db, "ada").await, ["ada", "adam", "grace"]);
    assert_eq!(found(db, "ADA@").await, ["ada"]);
    assert_eq!(found(db, " Countess of ").await, ["ada"]);
    assert_eq!(found(db, "äDS").await, ["edsger"]);
    assert_eq!(found(db, "ädsger ß i").await, ["edsger"]);
    assert_eq!(found(db, "adsger").await, Vec::<String>::new());
    assert_eq!(found(db, "lovelace").await, Vec::<String>::new());
    assert_eq!(found(db, "  ").await.len(), 5);
}

async fn invitations_are_searched_by_address(db: &TestStore) {
    let mut change = Change::new();
    for address in ["ada@example.com", "adam@example.com", "bob@example.com"] {
        change.invitations.insert.push(invitation(&named(address, "x")));
    }
    let all = change.invitations.insert.clone();
    db.store.apply(change).await.unwrap();
    let page = Page { after: None, limit: 200 };
    let filter = InvitationFilter { q: SearchPrefix::of("AdA"), status: None };
    let found = db.store.invitations(&filter, page.clone()).await.unwrap();
    assert_eq!(found, all[..2]);
    let filter = InvitationFilter { status: Some(InvitationStatus::Sent), ..filter };
    assert_eq!(db.store.invitations(&filter, page).await.unwrap(), []);
}

async fn a_search_has_no_wildcards(db: &TestStore) {
    insert(db, &[named("a_b@example.com", "100%"), named("axb@example.com", "100 %")]).await;
    assert_eq!(found(db, "a_").await, ["a_b"]);
    assert_eq!(found(db, "100%").await, ["a_b"]);
    for unmatched in ["%", "_", "'", "\\", "a'; DROP TABLE users; --", "\u{10FFFF}", "🙂"] {
        assert_eq!(found(db, unmatched).await, Vec::<String>::new(), "{unmatched}");
    }
}

async fn filters_are_combined(db: &TestStore) {
    let users = [
        User { role: Role::Admin, ..named("a1@example.com", "x") },
        User { role: Role::Admin, status: UserStatus::Active, ..named("a2@example.com", "x") },
        User { status: UserStatus::Active, ..named("a3@example.com", "x") },
        User { role: Role::Admin, status: UserStatus::Active, ..named("b@example.com", "y") },
    ];
    insert(db, &users).await;
    let filter = UserFilter {
        q: SearchPrefix::of("a"),
        role: Some(Role::Admin),
        status: Some(UserStatus::Active),
    };
    assert_eq!(db.store.users(&filter, ALL).await.unwrap(), [users[1].clone()]);
    let filter = UserFilter { q: None, status: None, ..filter };
    let admins = db.store.users(&filter, ALL).await.unwrap();
    assert_eq!(admins, [users[3].clone(), users[1].clone(), users[0].clone()]);
}

async fn active_admins_are_counted(db: &TestStore) {
    let mut users = Vec::new();
    for role in Role::ALL {
        for status in UserStatus::ALL {
            users.push(User { role: *role, status: *status, ..user() });
            users.push(User { role: *role, status: *status, ..user() });
        }
    }
    insert(db, &users).await;
    assert_eq!(db.store.count_active_admins().await.unwrap(), 2);
}

async fn the_latest_invitation_of_each_user_is_found(db: &TestStore) {
    let users: Vec<User> = (0..5).map(|_| user()).collect();
    let mut change = Change::new();
    for (n, user) in users.iter().enumerate() {
        for _ in 0..n {
            let status = InvitationStatus::Expired;
            change.invitations.insert.push(Invitation { status, ..invitation(user) });
        }
    }
    db.store.apply(change).await.unwrap();
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    let mut latest = db.store.latest_invitations(&ids).await.unwrap();
    latest.sort_by_key(|invitation| invitation.user_id);
    assert_eq!(latest.len(), 4);
    for (user, latest) in std::iter::zip(&users[1..], latest) {
        assert_eq!(db.store.latest_invitation(user.id).await.unwrap(), Some(latest.clone()));
        let all = db.store.invitations_of(user.id).await.unwrap();
        assert_eq!(all[0], latest);
        assert!(all.is_sorted_by(|a, b| a.id > b.id));
    }
}
