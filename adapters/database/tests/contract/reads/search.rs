//! Pages of a search contain each match once, and each page costs as much as the first.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use guestlist_domain::{
    Change, Cursor, Invitation, InvitationFilter, InvitationStatus, Name, Page, ReadInvitations,
    ReadUsers, Role, SearchPrefix, SortKey, User, UserFilter, UserId, UserStatus,
};

use crate::support::fixtures::*;
use crate::support::query_plan::{assert_indexed, fill};
use crate::support::test_database::{Engine, TestDatabase};
use crate::support::test_store::{TestStore, contract};

contract!(
    pages_of_a_search_contain_each_match_once,
    a_search_continues_after_a_deleted_user,
    a_renamed_user_is_found_by_the_new_name,
    equivalent_spellings_of_a_name_find_each_other,
    pages_of_an_invitation_search_contain_each_match_once;
    sql:
    searches_neither_scan_nor_sort_a_table,
    a_search_with_many_matches_costs_as_much_as_one_with_few,
);

/// Returns users whose address and name have common prefixes of different lengths. Many have the
/// same name.
fn searchable_users() -> Vec<User> {
    let mut users = Vec::new();
    for n in 0..90 {
        let (address, called) = match n % 6 {
            0 => (format!("ada{n}"), "Ada".to_owned()),
            1 => (format!("ada.lovelace.of.london{n}"), format!("Ada.Lovelace.of.London{n}")),
            2 => (format!("bob{n}"), "Ada".to_owned()),
            3 => (format!("bob{n}"), format!("Ada.Lovelace.of.London{}", n % 2)),
            4 => (format!("adb{n}"), String::new()),
            _ => (format!("a{n}"), format!("Ad\u{e4}{n}")),
        };
        users.push(User {
            email: email(&format!("{address}@example.com")),
            name: name(&called),
            role: Role::ALL[n % 7 % Role::ALL.len()],
            status: UserStatus::ALL[n % 5 % UserStatus::ALL.len()],
            ..user()
        });
    }
    users
}

async fn insert(db: &TestStore, users: &[User]) {
    for users in users.chunks(2_000) {
        let mut change = Change::new();
        change.users.insert = users.to_vec();
        db.apply(change).await;
    }
}

/// Returns the users that a search must find, in order.
fn expected(users: &[User], filter: &UserFilter) -> Vec<UserId> {
    let q = filter.q.as_ref().unwrap();
    let key = |user: &User| user.name.as_ref().map(|name| name.as_str().to_lowercase());
    let mut found: Vec<_> = users
        .iter()
        .filter(|user| filter.role.is_none_or(|role| user.role == role))
        .filter(|user| filter.status.is_none_or(|status| user.status == status))
        .filter_map(|user| match key(user) {
            _ if q.matches(user.email.as_str()) => Some((0, user.email.as_str().to_owned(), user)),
            Some(key) if q.matches(&key) => Some((1, key, user)),
            _ => None,
        })
        .map(|(by, key, user)| (by, key, Reverse(user.id)))
        .collect();
    found.sort();
    found.into_iter().map(|(_, _, Reverse(id))| id).collect()
}

async fn all_pages(db: &TestStore, filter: &UserFilter, limit: u64) -> Vec<UserId> {
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let found = db.store.users(filter, Page { after, limit }).await.unwrap();
        seen.extend(found.iter().map(|user| user.id));
        assert!(seen.len() < 1_000, "pages repeat: {filter:?}");
        if (found.len() as u64) < limit {
            return seen;
        }
        after = found.last().map(|last| filter.cursor(last));
    }
}

async fn pages_of_a_search_contain_each_match_once(db: &TestStore) {
    let users = searchable_users();
    insert(db, &users).await;
    let long = "ada.lovelace.of.london";
    for q in
        ["a", "AD", "ada", "ada.", "ada.lovelace", "ada.lovelace.", long, "bob", "ad\u{e4}", "x"]
    {
        for (role, status) in [
            (None, None),
            (Some(Role::Admin), None),
            (None, Some(UserStatus::Active)),
            (Some(Role::Member), Some(UserStatus::Invited)),
        ] {
            let filter = UserFilter { q: SearchPrefix::of(q), role, status };
            let expected = expected(&users, &filter);
            for limit in [1, 7, 200] {
                assert_eq!(all_pages(db, &filter, limit).await, expected, "{filter:?} by {limit}");
            }
        }
    }
}

async fn a_search_continues_after_a_deleted_user(db: &TestStore) {
    let users = searchable_users();
    insert(db, &users).await;
    let filter = UserFilter { q: SearchPrefix::of("ada"), ..UserFilter::default() };
    let all = expected(&users, &filter);
    for n in [3, 40] {
        let page = Page { after: None, limit: n };
        let deleted = db.store.users(&filter, page).await.unwrap().pop().unwrap();
        let after = Some(filter.cursor(&deleted));
        let next = db.store.users(&filter, Page { after: after.clone(), limit: 5 }).await.unwrap();
        let mut change = Change::new();
        change.users.delete.push(deleted);
        db.apply(change).await;
        assert_eq!(db.store.users(&filter, Page { after, limit: 5 }).await.unwrap(), next);
    }
    assert_eq!(all_pages(db, &filter, 9).await.len(), all.len() - 2);
}

async fn a_renamed_user_is_found_by_the_new_name(db: &TestStore) {
    let zoe = User { email: email("zoe@example.com"), name: name("Ada"), ..user() };
    insert(db, std::slice::from_ref(&zoe)).await;
    let found = async |q| {
        let filter = UserFilter { q: SearchPrefix::of(q), ..UserFilter::default() };
        db.store.users(&filter, Page { after: None, limit: 9 }).await.unwrap().len()
    };
    for new_name in ["Zoe", "Zo\u{eb}", "Zack"] {
        let read = db.store.user(zoe.id).await.unwrap().unwrap();
        let renamed = User { name: name(new_name), ..read.clone() };
        db.apply(Change::new().update_user(read, renamed)).await;
        assert_eq!((found("z").await, found("zo").await, found("zoe@").await), (1, 1, 1));
        assert_eq!(found(new_name).await, 1, "{new_name}");
        assert_eq!(found("ada").await, 0);
    }
}

async fn equivalent_spellings_of_a_name_find_each_other(db: &TestStore) {
    // Composed, decomposed, and with compatibility characters.
    let spellings = ["Åsa José", "A\u{30a}sa Jose\u{301}", "\u{212b}sa Jose\u{301}"];
    let users: Vec<User> =
        spellings.iter().map(|text| User { name: name(text), ..user() }).collect();
    insert(db, &users).await;
    insert(db, &[User { name: name("Asa Jose"), ..user() }]).await;
    for q in ["åsa jos\u{e9}", "a\u{30a}sa jose\u{301}", "ÅSA", "A\u{30a}"] {
        let filter = UserFilter { q: SearchPrefix::of(q), ..UserFilter::default() };
        for limit in [1, 10] {
            assert_eq!(all_pages(db, &filter, limit).await.len(), 3, "{q}, {limit} at a time");
        }
    }
    for user in &users {
        let found = db.store.user(user.id).await.unwrap().unwrap();
        assert_eq!(found.name, name("Åsa José"), "stored in one spelling");
    }
}

async fn pages_of_an_invitation_search_contain_each_match_once(db: &TestStore) {
    let mut all: Vec<Invitation> = Vec::new();
    for n in 0..60 {
        let person = User { email: email(&format!("ada{}@example.com", n % 4)), ..user() };
        let status = [InvitationStatus::Expired, InvitationStatus::Revoked][n % 5 % 2];
        all.push(Invitation { status, ..invitation(&person) });
    }
    let mut change = Change::new();
    change.invitations.insert = all.clone();
    db.apply(change).await;
    all.sort_by_key(|one| (one.email.clone(), Reverse(one.id)));
    for status in [None, Some(InvitationStatus::Revoked), Some(InvitationStatus::Sent)] {
        let filter = InvitationFilter { q: SearchPrefix::of("ada"), status };
        let wanted = all.iter().filter(|one| status.is_none_or(|status| one.status == status));
        let wanted: Vec<_> = wanted.cloned().collect();
        for limit in [1, 7, 60] {
            let (mut after, mut seen) = (None, Vec::new());
            loop {
                let found = db.store.invitations(&filter, Page { after, limit }).await.unwrap();
                after = found.last().map(|last| filter.cursor(last));
                seen.extend(found);
                assert!(seen.len() < 1_000, "pages repeat: {filter:?}");
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, wanted, "{status:?} by {limit}");
        }
    }
}

async fn searches_neither_scan_nor_sort_a_table(db: &TestDatabase) {
    let users = fill(db).await;
    let last = &users[1_000];
    let email = SortKey::Email(last.email.as_str().to_owned());
    let name = SortKey::Name(Name::key(last.name.as_ref().unwrap()));
    for (q, sort_key) in
        [("user0", None), ("user0", Some(email)), ("name 0", None), ("name 0", Some(name))]
    {
        let is_name = matches!(sort_key, Some(SortKey::Name(_)));
        let after = sort_key.clone().map(|by| Cursor { id: last.id, sort_key: Some(by) });
        for (role, status) in [(None, None), (None, Some(UserStatus::Active))] {
            let filter = UserFilter { q: SearchPrefix::of(q), role, status };
            db.store.users(&filter, Page { after: after.clone(), limit: 9 }).await.unwrap();
            assert_indexed_subqueries(db).await;
        }
        for status in [None, Some(InvitationStatus::Queued)] {
            let filter = InvitationFilter { q: SearchPrefix::of(q), status };
            let invitation = db.store.invitations_of(last.id).await.unwrap()[0].id;
            let after = sort_key.clone().filter(|_| !is_name);
            let after = after.map(|by| Cursor { id: invitation, sort_key: Some(by) });
            db.clear_statements();
            db.store.invitations(&filter, Page { after, limit: 9 }).await.unwrap();
            assert_indexed_subqueries(db).await;
        }
    }
}

/// Checks that each subquery reads an index in the order of the searched column, and that only the
/// results of the subqueries are sorted.
async fn assert_indexed_subqueries(db: &TestDatabase) {
    let steps = assert_indexed(db).await;
    if db.engine != Engine::Sqlite {
        return;
    }
    let in_order = ["email>", "email<", "name_key>", "email=? AND id<", "name_key=? AND id<"];
    let subqueries = || steps.iter().filter(|step| step.text.starts_with("SEARCH"));
    assert!(subqueries().count() > 0, "{steps:?}");
    for step in subqueries() {
        assert!(in_order.iter().any(|order| step.text.contains(order)), "{step:?}");
    }
}

async fn a_search_with_many_matches_costs_as_much_as_one_with_few(db: &TestDatabase) {
    let numbered = |n: usize| User {
        email: email(&format!("user{n:05}@example.com")),
        name: name(&format!("User {n:05}")),
        ..user()
    };
    let users: Vec<User> = (0..20_000).map(numbered).collect();
    insert(db, &users).await;
    let mut costs = Vec::new();
    let all = |role| UserFilter { q: SearchPrefix::of("u"), role, status: None };
    let last = UserFilter { q: SearchPrefix::of("user"), ..UserFilter::default() };
    let end = last.cursor(&users[users.len() - 3]);
    for (filter, after, found) in [
        (UserFilter { q: SearchPrefix::of("user1999"), ..UserFilter::default() }, None, 5),
        (all(None), None, 5),
        (all(Some(Role::Admin)), None, 0),
        (last, Some(end), 2),
    ] {
        let mut quickest = Duration::MAX;
        for _ in 0..20 {
            let page = Page { after: after.clone(), limit: 5 };
            let started = Instant::now();
            assert_eq!(db.store.users(&filter, page).await.unwrap().len(), found, "{filter:?}");
            quickest = quickest.min(started.elapsed());
        }
        costs.push(quickest);
    }
    // Reading all matches takes at least twenty times as long; the subqueries a few times as long.
    let max = costs[0] * 5 + Duration::from_millis(3);
    assert!(costs.iter().all(|cost| *cost <= max), "{costs:?}");
}
