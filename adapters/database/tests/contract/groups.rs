//! Changes that come at once are committed together, and each has its own verdict.

use std::collections::HashSet;

use futures::future::join_all;
use guestlist_domain::{Change, ReadInvitations, ReadUsers, Store, StoreError, User, Verdict};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::bed::{Bed, Engine, contract};
use crate::samples::*;

contract!(
    sixty_four_at_once_with_duplicates_among_them,
    many_who_want_the_same_address,
    of_many_who_update_one_row_one_does,
    each_row_of_a_group_gets_its_own_values,
    updates_and_deletions_of_one_row_do_not_mix,
    fifty_at_once_are_few_commits,
    a_mistake_harms_no_neighbour,
    a_lone_change_is_not_delayed,
    an_applied_change_stays_though_nobody_waits,
    the_tasks_end_with_the_store,
);

async fn all(bed: &Bed, changes: impl IntoIterator<Item = Change>) -> Vec<Verdict> {
    let verdicts = join_all(changes.into_iter().map(|change| bed.store.apply(change))).await;
    verdicts.into_iter().map(Result::unwrap).collect()
}

async fn sixty_four_at_once_with_duplicates_among_them(bed: &Bed) {
    let users: Vec<User> = (0..40).map(|_| user()).collect();
    let mut wanted: Vec<User> = users.clone();
    // Twenty-four of the addresses are wanted a second time, by people of other ids.
    wanted.extend(users[8..32].iter().map(|u| User { email: u.email.clone(), ..user() }));
    let changes: Vec<Change> = wanted.iter().map(invite).collect();
    let verdicts = all(bed, changes.clone()).await;

    let applied: Vec<_> = std::iter::zip(&changes, &verdicts)
        .filter(|(_, verdict)| **verdict == Verdict::Applied)
        .map(|(change, _)| change)
        .collect();
    assert_eq!(applied.len(), 40);
    let addresses: HashSet<_> = applied.iter().map(|c| &c.users.insert[0].email).collect();
    assert_eq!(addresses.len(), 40);
    for table in ["users", "user_emails", "invitations", "events", "jobs"] {
        assert_eq!(bed.count(table).await, 40, "{table}");
    }
    for (change, verdict) in std::iter::zip(&changes, &verdicts) {
        let there = bed.store.user(change.users.insert[0].id).await.unwrap().is_some();
        assert_eq!(there, *verdict == Verdict::Applied);
        let timeline = bed.store.timeline(change.invitations.insert[0].id).await.unwrap();
        assert_eq!(!timeline.is_empty(), there);
    }
}

async fn many_who_want_the_same_address(bed: &Bed) {
    let address = some_email();
    let changes = (0..64).map(|_| invite(&User { email: address.clone(), ..user() }));
    let verdicts = all(bed, changes).await;
    assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Applied).count(), 1);
    for table in ["users", "invitations", "events", "jobs"] {
        assert_eq!(bed.count(table).await, 1, "{table}");
    }
}

async fn of_many_who_update_one_row_one_does(bed: &Bed) {
    let user = user();
    all(bed, [Change::new().insert_user(user.clone())]).await;
    let changes = (0..32).map(|n| {
        let name = name(&format!("number {n}"));
        Change::new().update_user(User { name, ..user.clone() }).event(event(&user, None))
    });
    let verdicts = all(bed, changes).await;
    assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Applied).count(), 1);
    let winner = verdicts.iter().position(|v| *v == Verdict::Applied).unwrap();
    let read = bed.store.user(user.id).await.unwrap().unwrap();
    assert_eq!(read.name, name(&format!("number {winner}")));
    assert_eq!(read.version, 2);
    assert_eq!(bed.count("events").await, 1);
}

async fn each_row_of_a_group_gets_its_own_values(bed: &Bed) {
    let users: Vec<User> = (0..100).map(|_| user()).collect();
    all(bed, users.iter().map(invite)).await;
    let changes = users.iter().enumerate().map(|(n, user)| {
        let name = name(&format!("number {n}"));
        let provider_user_id = (n % 3 > 0).then(|| format!("user-{n}"));
        let last_seen_at = (n % 2 > 0).then(|| after(n as u64));
        Change::new().update_user(User { name, provider_user_id, last_seen_at, ..user.clone() })
    });
    let changes: Vec<Change> = changes.collect();
    assert_eq!(all(bed, changes.clone()).await, [Verdict::Applied; 100]);
    for change in changes {
        let expected = User { version: 2, ..change.users.update[0].clone() };
        assert_eq!(bed.store.user(expected.id).await.unwrap(), Some(expected));
    }
}

async fn updates_and_deletions_of_one_row_do_not_mix(bed: &Bed) {
    let people: Vec<User> = (0..20).map(|_| user()).collect();
    all(bed, people.iter().map(|user| Change::new().insert_user(user.clone()))).await;
    let changes = people.iter().flat_map(|user| {
        let mut delete = Change::new();
        delete.users.delete.push(user.clone());
        [Change::new().update_user(user.clone()).event(event(user, None)), delete]
    });
    let verdicts = all(bed, changes).await;
    for (user, pair) in std::iter::zip(&people, verdicts.chunks(2)) {
        assert_ne!(pair[0], pair[1]);
        let there = bed.store.user(user.id).await.unwrap().is_some();
        assert_eq!(there, pair[0] == Verdict::Applied);
    }
}

/// While one commit waits for a lock, the others gather.
async fn fifty_at_once_are_few_commits(bed: &Bed) {
    if bed.engine != Engine::Sqlite {
        return; // Several committers there; who gathers what is not decided.
    }
    let other = guestlist_database::connect(&bed.url).await.unwrap();
    let lock = other.write().pool().begin().await.unwrap();
    lock.execute_unprepared("DELETE FROM guards").await.unwrap();
    bed.take_statements();
    let release = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        lock.commit().await.unwrap();
    };
    let changes: Vec<Change> = (0..50).map(|_| invite(&user())).collect();
    let (verdicts, ()) = tokio::join!(all(bed, changes), release);
    assert_eq!(verdicts, [Verdict::Applied; 50]);
    let statements = bed.take_statements();
    let groups = statements.iter().filter(|s| s.contains("INTO \"users\"")).count();
    // 50 is 32 and 16 and 2, and the first may have come alone.
    assert!(groups <= 6, "{groups}");
    assert_eq!(statements.len(), groups * 5, "an INSERT a table");
    other.close().await;
}

/// What the database cannot take at all fails alone, too.
async fn a_mistake_harms_no_neighbour(bed: &Bed) {
    let changes = (0..40).map(|n| {
        let mut change = invite(&user());
        if n % 13 == 5 {
            change.jobs[0].kind = "";
        }
        change
    });
    let changes: Vec<Change> = changes.collect();
    let verdicts = join_all(changes.iter().map(|c| bed.store.apply(c.clone()))).await;
    for (change, verdict) in std::iter::zip(&changes, verdicts) {
        if change.jobs[0].kind.is_empty() {
            assert!(matches!(verdict, Err(StoreError::Bug(_))), "{verdict:?}");
        } else {
            assert_eq!(verdict.unwrap(), Verdict::Applied);
        }
    }
    assert_eq!(bed.count("users").await, 37);
}

async fn a_lone_change_is_not_delayed(bed: &Bed) {
    all(bed, [invite(&user())]).await;
    let mut times: Vec<_> = Vec::new();
    for _ in 0..20 {
        let change = Change::new().event(event(&user(), None));
        let begun = std::time::Instant::now();
        all(bed, [change]).await;
        times.push(begun.elapsed());
    }
    times.sort();
    assert!(times[5].as_millis() < 100, "{times:?}");
}

async fn an_applied_change_stays_though_nobody_waits(bed: &Bed) {
    let user = user();
    let apply = bed.store.apply(Change::new().insert_user(user.clone()));
    // Polled once, so that it is handed over, and then dropped.
    assert!(futures::FutureExt::now_or_never(apply).is_none());
    let applied = async {
        while bed.store.user(user.id).await.unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), applied).await.unwrap();
}

async fn the_tasks_end_with_the_store(bed: &Bed) {
    let metrics = tokio::runtime::Handle::current().metrics();
    all(bed, [invite(&user())]).await;
    let before = metrics.num_alive_tasks();
    let store = guestlist_database::SqlStore::new(bed.database.clone(), bed.waker.clone());
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
