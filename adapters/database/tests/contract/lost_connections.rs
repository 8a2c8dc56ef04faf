//! Connections to a database server that end at the worst of times, and statements that it kills.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use apalis_sea_orm::Waker;
use guestlist_database::{SqlStore, connect};
use guestlist_domain::{
    Change, ReadInvitations, ReadSessions, ReadUsers, Store, StoreError, Verdict,
};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::bed::{Bed, contract};
use crate::samples::*;

contract!(
    servers:
    a_commit_that_an_operator_kills_is_repeated,
    a_commit_whose_answer_was_lost_is_found,
    a_group_whose_answer_was_lost_is_found,
    a_lost_update_is_never_done_twice,
    a_connection_cut_at_any_point_loses_nothing_and_repeats_nothing,
    a_query_whose_connection_was_lost_is_repeated,
    a_database_that_comes_back_is_used_again,
    a_database_that_stays_away_is_unavailable,
);

/// A TCP proxy before a database server that ends connections where a test says.
#[derive(Clone)]
struct Proxy {
    port: u16,
    cut: Arc<AtomicU8>,
    countdown: Arc<AtomicU32>,
    held: Arc<Notify>,
    released: Arc<Notify>,
}

const OPEN: u8 = 0;
/// The next COMMIT reaches the server; its answer does not come back.
const AFTER_COMMIT: u8 = 1;
/// The next COMMIT does not reach the server.
const BEFORE_COMMIT: u8 = 2;
/// The next COMMIT waits for the test.
const HOLD_COMMIT: u8 = 3;
/// Nobody gets through.
const SHUT: u8 = 4;
/// The chunk of bytes that `countdown` comes to is delivered, and the connection then cut.
const AT_COUNT: u8 = 5;
/// The same, without delivering it.
const BEFORE_COUNT: u8 = 6;

impl Proxy {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            cut: Arc::new(AtomicU8::new(OPEN)),
            countdown: Arc::default(),
            held: Arc::default(),
            released: Arc::default(),
        };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if accepting.cut.load(Ordering::SeqCst) != SHUT {
                    tokio::spawn(accepting.clone().carry(client, port));
                }
            }
        });
        proxy
    }

    fn set(&self, cut: u8) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    fn cut_after(&self, chunks: u32, cut: u8) {
        self.countdown.store(chunks, Ordering::SeqCst);
        self.set(cut);
    }

    async fn carry(self, client: TcpStream, server: u16) {
        let Self { cut, countdown, held, released, .. } = self;
        let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
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
                HOLD_COMMIT if commits => {
                    cut.store(OPEN, Ordering::SeqCst);
                    held.notify_one();
                    released.notified().await;
                    to_server.write_all(sent).await.unwrap();
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
}

async fn through_a_proxy(bed: &Bed) -> (Proxy, SqlStore) {
    let mut url = url::Url::parse(&bed.url).unwrap();
    let proxy = Proxy::to(url.port().unwrap()).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.port)).unwrap();
    let store = SqlStore::new(connect(url.as_str()).await.unwrap(), Waker::default());
    (proxy, store)
}

async fn a_commit_whose_answer_was_lost_is_found(bed: &Bed) {
    let (proxy, store) = through_a_proxy(bed).await;
    for cut in [AFTER_COMMIT, BEFORE_COMMIT] {
        let user = user();
        let change = invite(&user);
        let invitation = change.invitations.insert[0].id;
        proxy.set(cut);
        assert_eq!(store.apply(change).await.unwrap(), Verdict::Applied);
        assert_eq!(proxy.cut.load(Ordering::SeqCst), OPEN, "it was cut");
        assert!(bed.store.user(user.id).await.unwrap().is_some());
        assert_eq!(bed.store.timeline(invitation).await.unwrap().len(), 1);
    }
    assert_eq!(bed.count("jobs").await, 2);
}

async fn a_group_whose_answer_was_lost_is_found(bed: &Bed) {
    let (proxy, store) = through_a_proxy(bed).await;
    proxy.set(AFTER_COMMIT);
    let changes: Vec<Change> = (0..40).map(|_| invite(&user())).collect();
    let verdicts = futures::future::join_all(changes.into_iter().map(|c| store.apply(c))).await;
    assert!(verdicts.into_iter().all(|verdict| verdict.unwrap() == Verdict::Applied));
    assert_eq!(bed.count("events").await, 40);
}

/// It leaves no trace, so it is tried again, and then its row is not as it was.
async fn a_lost_update_is_never_done_twice(bed: &Bed) {
    let (proxy, store) = through_a_proxy(bed).await;
    let user = user();
    bed.store.apply(Change::new().insert_user(user.clone())).await.unwrap();
    proxy.set(AFTER_COMMIT);
    let verdict = store.apply(Change::new().update_user(user.clone())).await.unwrap();
    assert_eq!(verdict, Verdict::Conflict);
    assert_eq!(bed.store.user(user.id).await.unwrap().unwrap().version, 2);
}

/// Wherever it is cut, BEGIN and COMMIT included: what is applied is stored, once, and nothing else.
async fn a_connection_cut_at_any_point_loses_nothing_and_repeats_nothing(bed: &Bed) {
    let (proxy, store) = through_a_proxy(bed).await;
    let mut applied = 0;
    for point in 0..100 {
        proxy.cut_after(point % 50, if point < 50 { AT_COUNT } else { BEFORE_COUNT });
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
}

async fn a_query_whose_connection_was_lost_is_repeated(bed: &Bed) {
    let (proxy, store) = through_a_proxy(bed).await;
    let known = user();
    bed.store.apply(Change::new().insert_user(known.clone())).await.unwrap();
    for cut in [AT_COUNT, BEFORE_COUNT] {
        proxy.cut_after(0, cut);
        assert_eq!(store.user(known.id).await.unwrap().unwrap().id, known.id);
        assert_eq!(proxy.cut.load(Ordering::SeqCst), OPEN, "it was cut");
    }
}

async fn a_database_that_comes_back_is_used_again(bed: &Bed) {
    let (proxy, store) = through_a_proxy(bed).await;
    store.apply(invite(&user())).await.unwrap();
    proxy.set(SHUT);
    let opened = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        proxy.set(OPEN);
    };
    let (verdict, ()) = tokio::join!(store.apply(invite(&user())), opened);
    assert_eq!(verdict.unwrap(), Verdict::Applied);
}

async fn a_database_that_stays_away_is_unavailable(bed: &Bed) {
    let (proxy, store) = through_a_proxy(bed).await;
    proxy.set(SHUT);
    let begun = Instant::now();
    let changes = (0..1_000).map(|_| store.apply(invite(&user())));
    for verdict in futures::future::join_all(changes).await {
        assert!(matches!(verdict, Err(StoreError::Unavailable(_))), "{verdict:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(store.user(user().id).await.unwrap_err().is_transient());
    let error = store.session_by_token(hash("x")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

/// The statement alone, or the connection with it.
async fn a_commit_that_an_operator_kills_is_repeated(bed: &Bed) {
    let (proxy, store) = through_a_proxy(bed).await;
    let mut operator = MySqlConnection::connect(&bed.url).await.unwrap();
    for (round, kill) in ["KILL", "KILL QUERY"].into_iter().cycle().take(10).enumerate() {
        proxy.set(HOLD_COMMIT);
        let killing = async {
            proxy.held.notified().await;
            // The lock holds COMMIT back at the server, so that it is there to be killed.
            operator.execute("FLUSH TABLES WITH READ LOCK").await.unwrap();
            proxy.released.notify_one();
            let find = "SELECT CAST(id AS CHAR) FROM information_schema.processlist \
                        WHERE info = 'COMMIT' AND db = DATABASE()";
            let id: String = loop {
                if let Some(id) =
                    sqlx::query_scalar(find).fetch_optional(&mut operator).await.unwrap()
                {
                    break id;
                }
            };
            operator.execute(AssertSqlSafe(format!("{kill} {id}"))).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            operator.execute("UNLOCK TABLES").await.unwrap();
        };
        let (verdict, ()) = tokio::join!(store.apply(invite(&user())), killing);
        assert_eq!(verdict.unwrap(), Verdict::Applied);
        for table in ["users", "invitations", "events", "jobs"] {
            assert_eq!(
                bed.count(table).await,
                i64::try_from(round).unwrap() + 1,
                "{kill}: {table}"
            );
        }
    }
    operator.close().await.unwrap();
}
