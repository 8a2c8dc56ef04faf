//! The database goes away at the worst of times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use apalis_sea_orm::Waker;
use guestlist_database::{SqlStore, connect};
use guestlist_domain::{
    Change, ReadInvitations, ReadSessions, ReadUsers, Store, StoreError, User, Verdict,
};
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bed::{Bed, Engine, contract};
use crate::samples::*;

contract!(
    a_lock_of_another_program_is_waited_for,
    rows_in_reverse_order_do_not_deadlock_for_good,
    a_program_that_is_frozen_in_a_transaction_does_not_keep_its_locks,
);

/// It can't be seen in the time of a test: the server is asked how long it waits.
async fn a_program_that_is_frozen_in_a_transaction_does_not_keep_its_locks(bed: &Bed) {
    if bed.engine == Engine::Sqlite {
        return; // Its locks are the process', and end with that.
    }
    for connection in [bed.database.read(), bed.database.write()] {
        let backend = connection.get_database_backend();
        let ask = Statement::from_string(backend, "SHOW VARIABLES LIKE 'wait_timeout'");
        let row = connection.query_one_raw(ask).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(1).unwrap(), "30");
    }
}

async fn a_lock_of_another_program_is_waited_for(bed: &Bed) {
    let user = user();
    bed.store.apply(Change::new().insert_user(user.clone())).await.unwrap();
    let other = connect(&bed.url).await.unwrap();
    let lock = other.write().pool().begin().await.unwrap();
    lock.execute_unprepared("UPDATE users SET version = version").await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        lock.rollback().await.unwrap();
    };
    let change = Change::new().update_user(user.clone());
    let (verdict, ()) = tokio::join!(bed.store.apply(change), release);
    assert_eq!(verdict.unwrap(), Verdict::Applied);
    other.close().await;
}

/// Two programs whose groups touch the same rows; each change is applied or refused, none fails.
async fn rows_in_reverse_order_do_not_deadlock_for_good(bed: &Bed) {
    let people: Vec<User> = (0..60).map(|_| user()).collect();
    let mut change = Change::new();
    change.users.insert = people.clone();
    bed.store.apply(change).await.unwrap();
    let other = connect(&bed.url).await.unwrap();
    let store = SqlStore::new(other.clone(), Waker::default());
    let update =
        |user: &User| Change::new().update_user(user.clone()).event(event(user, None)).job(job());
    let ours = people.iter().map(|user| bed.store.apply(update(user)));
    let theirs = people.iter().rev().map(|user| store.apply(update(user)));
    let (ours, theirs) =
        tokio::join!(futures::future::join_all(ours), futures::future::join_all(theirs));
    let verdicts = ours.into_iter().chain(theirs).map(Result::unwrap);
    assert_eq!(verdicts.filter(|v| *v == Verdict::Applied).count(), 60);
    assert_eq!(bed.count("events").await, 60);
    drop(store);
    other.close().await;
}

/// A way to MariaDB that can be cut. (To MySQL there is none without TLS.)
struct Way {
    port: u16,
    cut: Arc<AtomicU8>,
    countdown: Arc<AtomicU32>,
}

const OPEN: u8 = 0;
/// The next COMMIT reaches the server; its answer does not come back.
const AFTER_COMMIT: u8 = 1;
/// The next COMMIT does not reach the server.
const BEFORE_COMMIT: u8 = 2;
/// Nobody gets through.
const SHUT: u8 = 3;
/// The chunk of bytes that `countdown` comes to is delivered, and the connection then cut.
const AT_COUNT: u8 = 4;
/// The same, without delivering it.
const BEFORE_COUNT: u8 = 5;

impl Way {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Self {
            port: listener.local_addr().unwrap().port(),
            cut: Arc::new(AtomicU8::new(OPEN)),
            countdown: Arc::default(),
        };
        let (cut, countdown) = (way.cut.clone(), way.countdown.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if cut.load(Ordering::SeqCst) != SHUT {
                    tokio::spawn(carry(client, port, cut.clone(), countdown.clone()));
                }
            }
        });
        way
    }

    fn set(&self, cut: u8) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    fn cut_after(&self, chunks: u32, cut: u8) {
        self.countdown.store(chunks, Ordering::SeqCst);
        self.set(cut);
    }
}

async fn carry(client: TcpStream, port: u16, cut: Arc<AtomicU8>, countdown: Arc<AtomicU32>) {
    let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        let sent = &buffer[..length];
        let commits = sent.windows(7).any(|bytes| bytes == b"\x03COMMIT");
        match cut.load(Ordering::SeqCst) {
            SHUT => break,
            BEFORE_COMMIT if commits => {
                cut.store(OPEN, Ordering::SeqCst);
                break;
            }
            AT_COUNT | BEFORE_COUNT if countdown.fetch_sub(1, Ordering::SeqCst) == 0 => {
                if cut.swap(OPEN, Ordering::SeqCst) == AT_COUNT {
                    let _ = to_server.write_all(sent).await;
                }
                break;
            }
            AFTER_COMMIT if commits => {
                cut.store(OPEN, Ordering::SeqCst);
                back.abort();
                let _ = to_server.write_all(sent).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
                break;
            }
            _ => to_server.write_all(sent).await.unwrap(),
        }
    }
    back.abort();
}

async fn over_a_way() -> Option<(Bed, Way, SqlStore)> {
    let bed = Bed::make(Engine::MariaDb).await?;
    let mut url = url::Url::parse(&bed.url).unwrap();
    let way = Way::to(url.port().unwrap()).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(way.port)).unwrap();
    let store = SqlStore::new(connect(url.as_str()).await.unwrap(), Waker::default());
    Some((bed, way, store))
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found() {
    let Some((bed, way, store)) = over_a_way().await else { return };
    for cut in [AFTER_COMMIT, BEFORE_COMMIT] {
        let user = user();
        let change = invite(&user);
        let invitation = change.invitations.insert[0].id;
        way.set(cut);
        assert_eq!(store.apply(change).await.unwrap(), Verdict::Applied);
        assert_eq!(way.cut.load(Ordering::SeqCst), OPEN, "it was cut");
        assert!(bed.store.user(user.id).await.unwrap().is_some());
        assert_eq!(bed.store.timeline(invitation).await.unwrap().len(), 1);
    }
    assert_eq!(bed.count("jobs").await, 2);
    drop(store);
    bed.clear_away().await;
}

#[tokio::test]
async fn a_group_whose_answer_was_lost_is_found() {
    let Some((bed, way, store)) = over_a_way().await else { return };
    way.set(AFTER_COMMIT);
    let changes: Vec<Change> = (0..40).map(|_| invite(&user())).collect();
    let verdicts = futures::future::join_all(changes.into_iter().map(|c| store.apply(c))).await;
    assert!(verdicts.into_iter().all(|verdict| verdict.unwrap() == Verdict::Applied));
    assert_eq!(bed.count("events").await, 40);
    drop(store);
    bed.clear_away().await;
}

/// It leaves no trace, so it is tried again, and then its row is not as it was.
#[tokio::test]
async fn a_lost_update_is_never_done_twice() {
    let Some((bed, way, store)) = over_a_way().await else { return };
    let user = user();
    bed.store.apply(Change::new().insert_user(user.clone())).await.unwrap();
    way.set(AFTER_COMMIT);
    let verdict = store.apply(Change::new().update_user(user.clone())).await.unwrap();
    assert_eq!(verdict, Verdict::Conflict);
    assert_eq!(bed.store.user(user.id).await.unwrap().unwrap().version, 2);
    drop(store);
    bed.clear_away().await;
}

/// Wherever it is cut, BEGIN and COMMIT included: what is applied is stored, once, and nothing else.
#[tokio::test]
async fn a_connection_cut_at_any_point_loses_nothing_and_repeats_nothing() {
    let Some((bed, way, store)) = over_a_way().await else { return };
    let mut applied = 0;
    for point in 0..100 {
        way.cut_after(point % 50, if point < 50 { AT_COUNT } else { BEFORE_COUNT });
        let changes: Vec<Change> = (0..6).map(|_| invite(&user())).collect();
        let verdicts = futures::future::join_all(changes.into_iter().map(|c| store.apply(c))).await;
        for verdict in verdicts {
            assert_eq!(verdict.unwrap(), Verdict::Applied, "point {point}");
            applied += 1;
        }
    }
    for table in ["users", "invitations", "events", "jobs"] {
        assert_eq!(bed.count(table).await, applied, "{table}");
    }
    drop(store);
    bed.clear_away().await;
}

#[tokio::test]
async fn a_query_whose_connection_was_lost_is_repeated() {
    let Some((bed, way, store)) = over_a_way().await else { return };
    let known = user();
    bed.store.apply(Change::new().insert_user(known.clone())).await.unwrap();
    for cut in [AT_COUNT, BEFORE_COUNT] {
        way.cut_after(0, cut);
        assert_eq!(store.user(known.id).await.unwrap().unwrap().id, known.id);
        assert_eq!(way.cut.load(Ordering::SeqCst), OPEN, "it was cut");
    }
    drop(store);
    bed.clear_away().await;
}

#[tokio::test]
async fn a_database_that_comes_back_is_used_again() {
    let Some((bed, way, store)) = over_a_way().await else { return };
    store.apply(invite(&user())).await.unwrap();
    way.set(SHUT);
    let opened = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        way.set(OPEN);
    };
    let (verdict, ()) = tokio::join!(store.apply(invite(&user())), opened);
    assert_eq!(verdict.unwrap(), Verdict::Applied);
    drop(store);
    bed.clear_away().await;
}

#[tokio::test]
async fn a_database_that_stays_away_is_unavailable() {
    let Some((bed, way, store)) = over_a_way().await else { return };
    way.set(SHUT);
    let begun = Instant::now();
    let changes = (0..1_000).map(|_| store.apply(invite(&user())));
    for verdict in futures::future::join_all(changes).await {
        assert!(matches!(verdict, Err(StoreError::Unavailable(_))), "{verdict:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(store.user(user().id).await.unwrap_err().is_transient());
    let error = store.session_by_token(hash("x")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    drop(store);
    bed.clear_away().await;
}
