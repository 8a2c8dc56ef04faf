//! Concurrent changes are committed in groups, and each has its own verdict.

use std::collections::HashSet;

use futures::future::join_all;
use guestlist_domain::{Change, ReadUsers, Store, StoreError, User, Verdict};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::support::fixtures::*;
use crate::support::test_database::{Engine, TestDatabase};
use crate::support::test_store::{TestStore, contract};

contract!(
    duplicates_in_a_group_conflict,
    of_many_changes_with_the_same_address_one_is_applied,
    of_many_updates_of_one_row_one_is_applied,
    each_row_of_a_group_gets_its_own_values,
    an_update_and_a_deletion_of_one_row_exclude_each_other;
    sql:
    fifty_concurrent_changes_are_few_commits,
    an_invalid_change_does_not_affect_others,
    a_lone_change_is_not_delayed,
    a_change_is_applied_although_its_caller_stops_waiting,
    dropping_the_store_ends_its_tasks,
);

async fn all(db: &TestStore, changes: impl IntoIterator<Item = Change>) -> Vec<Verdict> {
    let verdicts = join_all(changes.into_iter().map(|change| db.store.apply(change))).await;
    verdicts.into_iter().map(Result::unwrap).collect()
}

async fn duplicates_in_a_group_conflict(db: &TestStore) {
    let users: Vec<User> = (0..40).map(|_| user()).collect();
    let mut inserted: Vec<User> = users.clone();
    // 24 of the addresses occur a second time, with other user ids.
    inserted.extend(users[8..32].iter().map(|u| User { email: u.email.clone(), ..user() }));
    let changes: Vec<Change> = inserted.iter().map(invite).collect();
    let verdicts = all(db, changes.clone()).await;

    let applied: Vec<_> = std::iter::zip(&changes, &verdicts)
        .filter(|(_, verdict)| **verdict == Verdict::Applied)
        .map(|(change, _)| change)
        .collect();
    assert_eq!(applied.len(), 40);
    let addresses: HashSet<_> = applied.iter().map(|c| &c.users.insert[0].email).collect();
    assert_eq!(addresses.len(), 40);
    for table in ["users", "user_emails", "invitations", "events", "jobs"] {
        assert_eq!(db.count(table).await, 40, "{table}");
    }
    for (change, verdict) in std::iter::zip(&changes, &verdicts) {
        let there = db.store.user(change.users.insert[0].id).await.unwrap().is_some();
        assert_eq!(there, *verdict == Verdict::Applied);
        let timeline = db.store.timeline(change.invitations.insert[0].id).await.unwrap();
        assert_eq!(!timeline.is_empty(), there);
    }
}

async fn of_many_changes_with_the_same_address_one_is_applied(db: &TestStore) {
    let address = unique_email();
    let changes = (0..64).map(|_| invite(&User { email: address.clone(), ..user() }));
    let verdicts = all(db, changes).await;
    assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Applied).count(), 1);
    for table in ["users", "invitations", "events", "jobs"] {
        assert_eq!(db.count(table).await, 1, "{table}");
    }
}

async fn of_many_updates_of_one_row_one_is_applied(db: &TestStore) {
    let user = user();
    all(db, [Change::new().insert_user(user.clone())]).await;
    let changes = (0..32).map(|n| {
        let named = User { name: name(&format!("number {n}")), ..user.clone() };
        Change::new().update_user(user.clone(), named).event(event(&user, None))
    });
    let verdicts = all(db, changes).await;
    assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Applied).count(), 1);
    let winner = verdicts.iter().position(|v| *v == Verdict::Applied).unwrap();
    let read = db.store.user(user.id).await.unwrap().unwrap();
    assert_eq!(read.name, name(&format!("number {winner}")));
    assert_eq!(read.version, 2);
    assert_eq!(db.count("events").await, 1);
}

async fn each_row_of_a_group_gets_its_own_values(db: &TestStore) {
    let users: Vec<User> = (0..100).map(|_| user()).collect();
    all(db, users.iter().map(invite)).await;
    let changes = users.iter().enumerate().map(|(n, user)| {
        let name = name(&format!("number {n}"));
        let provider_user_id = (n % 3 > 0).then(|| format!("user-{n}"));
        let last_seen_at = (n % 2 > 0).then(|| after(n as u64));
        let after = User { name, provider_user_id, last_seen_at, ..user.clone() };
        Change::new().update_user(user.clone(), after)
    });
    let changes: Vec<Change> = changes.collect();
    assert_eq!(all(db, changes.clone()).await, [Verdict::Applied; 100]);
    for change in changes {
        let expected = User { version: 2, ..change.users.update[0].after.clone() };
        assert_eq!(db.store.user(expected.id).await.unwrap(), Some(expected));
    }
}

async fn an_update_and_a_deletion_of_one_row_exclude_each_other(db: &TestStore) {
    let users: Vec<User> = (0..20).map(|_| user()).collect();
    all(db, users.iter().map(|user| Change::new().insert_user(user.clone()))).await;
    let changes = users.iter().flat_map(|user| {
        let mut delete = Change::new();
        delete.users.delete.push(user.clone());
        [Change::new().update_user(user.clone(), user.clone()).event(event(user, None)), delete]
    });
    let verdicts = all(db, changes).await;
    for (user, pair) in std::iter::zip(&users, verdicts.chunks(2)) {
        assert_ne!(pair[0], pair[1]);
        let there = db.store.user(user.id).await.unwrap().is_some();
        assert_eq!(there, pair[0] == Verdict::Applied);
    }
}

/// Changes that arrive while a lock blocks the commits are committed in groups.
async fn fifty_concurrent_changes_are_few_commits(db: &TestDatabase) {
    let other = guestlist_database::connect(&db.url).await.unwrap();
    let lock = other.write().pool().begin().await.unwrap();
    lock.execute_unprepared(match db.engine {
        Engine::Sqlite => "DELETE FROM guards",
        Engine::MySql | Engine::MariaDb => "LOCK TABLES user_emails WRITE",
    })
    .await
    .unwrap();
    db.take_statements();
    let release = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        if db.engine != Engine::Sqlite {
            lock.execute_unprepared("UNLOCK TABLES").await.unwrap();
        }
        lock.commit().await.unwrap();
    };
    let changes: Vec<Change> = (0..50).map(|_| invite(&user())).collect();
    let (verdicts, ()) = tokio::join!(all(db, changes), release);
    assert_eq!(verdicts, [Verdict::Applied; 50]);
    let statements = db.take_statements();
    let groups = statements.iter().filter(|s| s.contains("INTO") && s.contains("users")).count();
    // 50 is 32 + 16 + 2, after a first change that may have been alone. A server has four
    // committers, each of which may have taken a first change.
    let max = if db.engine == Engine::Sqlite { 6 } else { 12 };
    assert!(groups <= max, "{groups}");
    let inserts = statements.iter().filter(|s| s.starts_with("INSERT")).count();
    assert_eq!(inserts, groups * 5, "one INSERT per table");
    other.close().await;
}

async fn an_invalid_change_does_not_affect_others(db: &TestDatabase) {
    let changes = (0..40).map(|n| {
        let mut change = invite(&user());
        if n % 13 == 5 {
            change.jobs[0].kind = "";
        }
        change
    });
    let changes: Vec<Change> = changes.collect();
    let verdicts = join_all(changes.iter().map(|c| db.store.apply(c.clone()))).await;
    for (change, verdict) in std::iter::zip(&changes, verdicts) {
        if change.jobs[0].kind.is_empty() {
            assert!(matches!(verdict, Err(StoreError::Bug(_))), "{verdict:?}");
        } else {
            assert_eq!(verdict.unwrap(), Verdict::Applied);
        }
    }
    assert_eq!(db.count("users").await, 37);
}

async fn a_lone_change_is_not_delayed(db: &TestDatabase) {
    all(db, [invite(&user())]).await;
    let mut times: Vec<_> = Vec::new();
    for _ in 0..20 {
        let change = Change::new().event(event(&user(), None));
        let started = std::time::Instant::now();
        all(db, [change]).await;
        times.push(started.elapsed());
    }
    times.sort();
    assert!(times[5].as_millis() < 100, "{times:?}");
}

async fn a_change_is_applied_although_its_caller_stops_waiting(db: &TestDatabase) {
    let user = user();
    let apply = db.store.apply(Change::new().insert_user(user.clone()));
    // One poll submits the change.
    assert!(futures::FutureExt::now_or_never(apply).is_none());
    let applied = async {
        while db.store.user(user.id).await.unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), applied).await.unwrap();
}

async fn dropping_the_store_ends_its_tasks(db: &TestDatabase) {
    let metrics = tokio::runtime::Handle::current().metrics();
    all(db, [invite(&user())]).await;
    let before = metrics.num_alive_tasks();
    let store = guestlist_database::SqlStore::new(db.database.clone(), db.waker.clone());
    store.apply(invite(&user())).await.unwrap();
    assert!(metrics.num_alive_tasks() > before);
    drop(store);
    let ended = async {
        while metrics.num_alive_tasks() > before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), ended).await.unwrap();
}
