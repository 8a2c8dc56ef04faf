//! Lists come in pieces that neither skip nor repeat, and searches find what begins so.

use std::collections::HashSet;

use guestlist_domain::{
    Change, Invitation, InvitationFilter, InvitationStatus, Page, Cursor, SearchPrefix, ReadInvitations,
    ReadUsers, Role, Store, User, UserFilter, UserId, UserStatus, Verdict,
};
use uuid::Uuid;

use crate::bed::{Bed, contract};
use crate::samples::*;

contract!(
    pieces_of_users_make_the_whole,
    pieces_of_invitations_make_the_whole,
    users_are_searched_by_address_and_name,
    invitations_are_searched_by_address,
    what_is_searched_for_means_only_itself,
    filters_hold_together,
    active_administrators_are_counted,
    the_latest_invitation_of_each_is_found,
);

const ALL: Page<Cursor<UserId>> = Page { after: None, limit: 200 };

async fn insert(bed: &Bed, users: &[User]) {
    let mut change = Change::new();
    change.users.insert = users.to_vec();
    assert_eq!(bed.store.apply(change).await.unwrap(), Verdict::Applied);
}

/// Ids of one millisecond, told apart by their noise alone.
fn same_millisecond(n: usize) -> Vec<Uuid> {
    let id = |n: u8| {
        let noise = [n.wrapping_mul(37), n.wrapping_mul(101), 0, 0, 0, 0, 0, 0, n, 255 - n];
        uuid::Builder::from_unix_timestamp_millis(1_795_000_000_000, &noise).into_uuid()
    };
    (0..u8::try_from(n).unwrap()).map(id).collect()
}

async fn pieces_of_users_make_the_whole(bed: &Bed) {
    let ids = same_millisecond(97);
    let users: Vec<User> = ids.iter().map(|id| User { id: UserId(*id), ..user() }).collect();
    insert(bed, &users).await;
    let mut expected: Vec<_> = users.iter().map(|user| user.id).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    for limit in [1, 10, 96, 97, 200] {
        let mut page = Page { after: None, limit };
        let mut seen = Vec::new();
        loop {
            let piece = bed.store.users(&UserFilter::default(), page.clone()).await.unwrap();
            seen.extend(piece.iter().map(|user| user.id));
            let Some(last) = piece.last() else { break };
            assert!(piece.len() <= usize::try_from(limit).unwrap());
            page.after = Some(last.id.into());
        }
        assert_eq!(seen, expected);
    }
}

async fn pieces_of_invitations_make_the_whole(bed: &Bed) {
    let ids = same_millisecond(50);
    let mut change = Change::new();
    for id in &ids {
        let id = guestlist_domain::InvitationId(*id);
        change.invitations.insert.push(Invitation { id, ..invitation(&user()) });
    }
    let mut expected: Vec<_> = change.invitations.insert.iter().map(|i| i.id).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(bed.store.apply(change).await.unwrap(), Verdict::Applied);
    let mut page = Page { after: None, limit: 7 };
    let mut seen = Vec::new();
    loop {
        let filter = InvitationFilter { status: Some(InvitationStatus::Queued), q: None };
        let piece = bed.store.invitations(&filter, page.clone()).await.unwrap();
        let Some(last) = piece.last() else { break };
        page.after = Some(last.id.into());
        seen.extend(piece.iter().map(|invitation| invitation.id));
    }
    assert_eq!(seen, expected);
}

fn person(address: &str, called: &str) -> User {
    User { email: email(address), name: name(called), ..user() }
}

async fn found(bed: &Bed, q: &str) -> Vec<String> {
    let filter = UserFilter { q: SearchPrefix::of(q), ..UserFilter::default() };
    let users = bed.store.users(&filter, ALL).await.unwrap();
    let ids: HashSet<_> = users.iter().map(|user| user.id).collect();
    assert_eq!(ids.len(), users.len(), "nobody twice");
    users.iter().map(|user| user.email.as_str().split('@').next().unwrap().to_owned()).collect()
}

async fn users_are_searched_by_address_and_name(bed: &Bed) {
    let people = [
        person("ada@example.com", "Countess of Lovelace"),
        person("grace@example.com", "Ada's friend"),
        person("adam@example.com", "Adam"),
        person("edsger@example.com", "Ädsger ß İ"),
        person("zoe@example.com", ""),
    ];
    insert(bed, &people).await;
    assert_eq!(found(bed, "ada").await, ["ada", "adam", "grace"]);
    assert_eq!(found(bed, "ADA@").await, ["ada"]);
    assert_eq!(found(bed, " Countess of ").await, ["ada"]);
    assert_eq!(found(bed, "äDS").await, ["edsger"]);
    assert_eq!(found(bed, "ädsger ß i").await, ["edsger"]);
    assert_eq!(found(bed, "adsger").await, Vec::<String>::new());
    assert_eq!(found(bed, "lovelace").await, Vec::<String>::new());
    assert_eq!(found(bed, "  ").await.len(), 5);
}

async fn invitations_are_searched_by_address(bed: &Bed) {
    let mut change = Change::new();
    for address in ["ada@example.com", "adam@example.com", "bob@example.com"] {
        change.invitations.insert.push(invitation(&person(address, "x")));
    }
    let all = change.invitations.insert.clone();
    bed.store.apply(change).await.unwrap();
    let page = Page { after: None, limit: 200 };
    let filter = InvitationFilter { q: SearchPrefix::of("AdA"), status: None };
    let found = bed.store.invitations(&filter, page.clone()).await.unwrap();
    assert_eq!(found, all[..2]);
    let filter = InvitationFilter { status: Some(InvitationStatus::Sent), ..filter };
    assert_eq!(bed.store.invitations(&filter, page).await.unwrap(), []);
}

async fn what_is_searched_for_means_only_itself(bed: &Bed) {
    insert(bed, &[person("a_b@example.com", "100%"), person("axb@example.com", "100 %")]).await;
    assert_eq!(found(bed, "a_").await, ["a_b"]);
    assert_eq!(found(bed, "100%").await, ["a_b"]);
    for nothing in ["%", "_", "'", "\\", "a'; DROP TABLE users; --", "\u{10FFFF}", "🙂"] {
        assert_eq!(found(bed, nothing).await, Vec::<String>::new(), "{nothing}");
    }
}

async fn filters_hold_together(bed: &Bed) {
    let people = [
        User { role: Role::Admin, ..person("a1@example.com", "x") },
        User { role: Role::Admin, status: UserStatus::Active, ..person("a2@example.com", "x") },
        User { status: UserStatus::Active, ..person("a3@example.com", "x") },
        User { role: Role::Admin, status: UserStatus::Active, ..person("b@example.com", "y") },
    ];
    insert(bed, &people).await;
    let filter = UserFilter {
        q: SearchPrefix::of("a"),
        role: Some(Role::Admin),
        status: Some(UserStatus::Active),
    };
    assert_eq!(bed.store.users(&filter, ALL).await.unwrap(), [people[1].clone()]);
    let filter = UserFilter { q: None, status: None, ..filter };
    let admins = bed.store.users(&filter, ALL).await.unwrap();
    assert_eq!(admins, [people[3].clone(), people[1].clone(), people[0].clone()]);
}

async fn active_administrators_are_counted(bed: &Bed) {
    let mut people = Vec::new();
    for role in Role::ALL {
        for status in UserStatus::ALL {
            people.push(User { role: *role, status: *status, ..user() });
            people.push(User { role: *role, status: *status, ..user() });
        }
    }
    insert(bed, &people).await;
    assert_eq!(bed.store.count_active_admins().await.unwrap(), 2);
}

async fn the_latest_invitation_of_each_is_found(bed: &Bed) {
    let people: Vec<User> = (0..5).map(|_| user()).collect();
    let mut change = Change::new();
    for (n, user) in people.iter().enumerate() {
        for _ in 0..n {
            let status = InvitationStatus::Expired;
            change.invitations.insert.push(Invitation { status, ..invitation(user) });
        }
    }
    bed.store.apply(change).await.unwrap();
    let ids: Vec<_> = people.iter().map(|user| user.id).collect();
    let mut latest = bed.store.latest_invitations(&ids).await.unwrap();
    latest.sort_by_key(|invitation| invitation.user_id);
    assert_eq!(latest.len(), 4);
    for (user, latest) in std::iter::zip(&people[1..], latest) {
        assert_eq!(bed.store.latest_invitation(user.id).await.unwrap(), Some(latest.clone()));
        let all = bed.store.invitations_of(user.id).await.unwrap();
        assert_eq!(all[0], latest);
        assert!(all.is_sorted_by(|a, b| a.id > b.id));
    }
}
