//! Connections to a database server that are interrupted at any point, and statements that it kills.

use std::time::{Duration, Instant};

use apalis_sea_orm::Waker;
use guestlist_database::{SqlStore, connect};
use guestlist_domain::{
    Change, ReadInvitations, ReadSessions, ReadUsers, Store, StoreError, Verdict,
};
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row};

use crate::support::fixtures::*;
use crate::support::proxy::{Fault, Proxy};
use crate::support::test_database::TestDatabase;
use crate::support::test_store::contract;

contract!(; servers:
    a_killed_commit_is_repeated,
    a_commit_without_an_answer_is_recognized,
    a_group_commit_without_an_answer_is_recognized,
    an_update_without_an_answer_is_not_applied_twice,
    changes_are_applied_once_wherever_the_connection_is_closed,
    a_query_on_a_lost_connection_is_repeated,
    a_database_that_recovers_is_used_again,
    an_unreachable_database_is_reported_as_unavailable,
);

async fn through_a_proxy(db: &TestDatabase) -> (Proxy, SqlStore) {
    let mut url = url::Url::parse(&db.url).unwrap();
    let proxy = Proxy::start(url.port().unwrap()).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.port())).unwrap();
    let store = SqlStore::new(connect(url.as_str()).await.unwrap(), Waker::default());
    (proxy, store)
}

async fn a_commit_without_an_answer_is_recognized(db: &TestDatabase) {
    let (proxy, store) = through_a_proxy(db).await;
    for fault in [Fault::AfterCommit, Fault::BeforeCommit] {
        let user = user();
        let change = invite(&user);
        let invitation = change.invitations.insert[0].id;
        proxy.set(fault);
        assert_eq!(store.apply(change).await.unwrap(), Verdict::Applied);
        assert_eq!(proxy.fault(), Fault::None, "the connection was closed");
        assert!(db.store.user(user.id).await.unwrap().is_some());
        assert_eq!(db.store.timeline(invitation).await.unwrap().len(), 1);
    }
    assert_eq!(db.count("jobs").await, 2);
}

async fn a_group_commit_without_an_answer_is_recognized(db: &TestDatabase) {
    let (proxy, store) = through_a_proxy(db).await;
    proxy.set(Fault::AfterCommit);
    let changes: Vec<Change> = (0..40).map(|_| invite(&user())).collect();
    let verdicts = futures::future::join_all(changes.into_iter().map(|c| store.apply(c))).await;
    assert!(verdicts.into_iter().all(|verdict| verdict.unwrap() == Verdict::Applied));
    assert_eq!(db.count("events").await, 40);
}

/// The change inserts no row, so its commit is repeated and conflicts with the new version.
async fn an_update_without_an_answer_is_not_applied_twice(db: &TestDatabase) {
    let (proxy, store) = through_a_proxy(db).await;
    let user = user();
    db.store.apply(Change::new().insert_user(user.clone())).await.unwrap();
    proxy.set(Fault::AfterCommit);
    let update = Change::new().update_user(user.clone(), user.clone());
    let verdict = store.apply(update).await.unwrap();
    assert_eq!(verdict, Verdict::Conflict);
    assert_eq!(db.store.user(user.id).await.unwrap().unwrap().version, 2);
}

/// Closes the connection at every point, BEGIN and COMMIT included.
async fn changes_are_applied_once_wherever_the_connection_is_closed(db: &TestDatabase) {
    let (proxy, store) = through_a_proxy(db).await;
    let mut applied = 0;
    for point in 0..100 {
        proxy.set_after(
            point % 50,
            if point < 50 { Fault::AfterCountdown } else { Fault::BeforeCountdown },
        );
        let changes: Vec<Change> = (0..6).map(|_| invite(&user())).collect();
        let verdicts = futures::future::join_all(changes.into_iter().map(|c| store.apply(c))).await;
        for verdict in verdicts {
            assert_eq!(verdict.unwrap(), Verdict::Applied, "point {point}");
            applied += 1;
        }
    }
    for table in ["users", "invitations", "events", "jobs"] {
        assert_eq!(db.count(table).await, applied, "{table}");
    }
}

async fn a_query_on_a_lost_connection_is_repeated(db: &TestDatabase) {
    let (proxy, store) = through_a_proxy(db).await;
    let known = user();
    db.store.apply(Change::new().insert_user(known.clone())).await.unwrap();
    for fault in [Fault::AfterCountdown, Fault::BeforeCountdown] {
        proxy.set_after(0, fault);
        assert_eq!(store.user(known.id).await.unwrap().unwrap().id, known.id);
        assert_eq!(proxy.fault(), Fault::None, "the connection was closed");
    }
}

async fn a_database_that_recovers_is_used_again(db: &TestDatabase) {
    let (proxy, store) = through_a_proxy(db).await;
    store.apply(invite(&user())).await.unwrap();
    proxy.set(Fault::Closed);
    let reopened = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        proxy.set(Fault::None);
    };
    let (verdict, ()) = tokio::join!(store.apply(invite(&user())), reopened);
    assert_eq!(verdict.unwrap(), Verdict::Applied);
}

async fn an_unreachable_database_is_reported_as_unavailable(db: &TestDatabase) {
    let (proxy, store) = through_a_proxy(db).await;
    proxy.set(Fault::Closed);
    let started = Instant::now();
    let changes = (0..1_000).map(|_| store.apply(invite(&user())));
    for verdict in futures::future::join_all(changes).await {
        assert!(matches!(verdict, Err(StoreError::Unavailable(_))), "{verdict:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert!(store.user(user().id).await.unwrap_err().is_transient());
    let error = store.session_by_token(hash("x")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

/// `KILL QUERY` ends the statement, `KILL` the connection.
async fn a_killed_commit_is_repeated(db: &TestDatabase) {
    let (proxy, store) = through_a_proxy(db).await;
    let mut operator = MySqlConnection::connect(&db.url).await.unwrap();
    for (round, kill) in ["KILL", "KILL QUERY"].into_iter().cycle().take(10).enumerate() {
        proxy.set(Fault::HoldCommit);
        let killing = async {
            proxy.commit_held().await;
            // The lock blocks COMMIT at the server, so that it can be killed.
            operator.execute("FLUSH TABLES WITH READ LOCK").await.unwrap();
            proxy.release_commit();
            let id = tokio::time::timeout(Duration::from_secs(20), blocked_commit(&mut operator))
                .await
                .unwrap();
            operator.execute(AssertSqlSafe(format!("{kill} {id}"))).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            operator.execute("UNLOCK TABLES").await.unwrap();
        };
        let (verdict, ()) = tokio::join!(store.apply(invite(&user())), killing);
        assert_eq!(verdict.unwrap(), Verdict::Applied);
        for table in ["users", "invitations", "events", "jobs"] {
            assert_eq!(db.count(table).await, round + 1, "{kill}: {table}");
        }
    }
    operator.close().await.unwrap();
}

/// Returns the connection whose COMMIT is blocked, once there is one.
///
/// `information_schema.processlist` would not do on MySQL: it fails while any statement contains bytes
/// of a hash, and a statement of another test that the read lock blocks remains in it.
async fn blocked_commit(operator: &mut MySqlConnection) -> i64 {
    let own: Option<String> =
        sqlx::query_scalar("SELECT DATABASE()").fetch_one(&mut *operator).await.unwrap();
    loop {
        // It contains the first 100 characters of each statement.
        let rows = operator.fetch_all("SHOW PROCESSLIST").await.unwrap();
        let blocked = |row: &&MySqlRow| {
            let text = |column| row.try_get::<Option<String>, _>(column).unwrap();
            text("db") == own && text("Info").as_deref() == Some("COMMIT")
        };
        if let Some(row) = rows.iter().find(blocked) {
            return row.try_get("Id").unwrap();
        }
    }
}
