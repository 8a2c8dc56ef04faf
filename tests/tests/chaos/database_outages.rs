//! A database that is unavailable for a while.

use std::time::Duration;

use guestlist_tests::{DatabaseServer, Engine, Guestlist, LONG, SHORT, wait_until};
use serde_json::json;

use crate::{duplicate_count, exclusive, mail_count, wait_until_sent};

const MANY: usize = 600;
const CONCURRENCY: usize = 20;
const OUTAGE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_database_outage_of_twenty_seconds_loses_nothing() {
    let _exclusive = exclusive().await;
    for engine in Engine::with_server() {
        let mut server = DatabaseServer::start(engine).await;
        let setup = Guestlist::split(engine).on_server(&server.url()).workers(0);
        let mut guestlist = setup.env("WORKER_CONCURRENCY", &CONCURRENCY.to_string()).start().await;
        start_sending(&mut guestlist).await;
        server.stop_for(OUTAGE).await;
        assert_complete(&guestlist).await;
    }
}

/// SQLite has no server to stop, but another program can lock the file.
#[tokio::test]
async fn a_file_lock_of_twenty_seconds_loses_nothing() {
    let _exclusive = exclusive().await;
    let setup = Guestlist::split(Engine::Sqlite).workers(0);
    let mut guestlist = setup.env("WORKER_CONCURRENCY", &CONCURRENCY.to_string()).start().await;
    start_sending(&mut guestlist).await;
    guestlist.database().lock_for(OUTAGE).await;
    assert_complete(&guestlist).await;
}

async fn start_sending(guestlist: &mut Guestlist) {
    guestlist.invite_many(MANY).await;
    guestlist.sandbox().set_faults(&json!({ "latency_ms": 120 })).await;
    guestlist.start_worker().await;
    guestlist.start_worker().await;
    wait_until(SHORT, "a third is mailed", async || {
        (mail_count(guestlist).await >= MANY / 3).then_some(())
    })
    .await;
}

/// Asserts that the same processes send every invitation, and duplicate at most those in flight.
async fn assert_complete(guestlist: &Guestlist) {
    wait_until_sent(guestlist, MANY, LONG * 2).await;
    for worker in guestlist.workers() {
        assert!(worker.status().is_none(), "a worker ended: {}", worker.log());
    }
    assert!(guestlist.app().status().is_none(), "the application ended");
    let doubled = duplicate_count(guestlist, MANY).await;
    println!("{doubled} mails doubled");
    assert!(doubled <= 2 * CONCURRENCY, "{doubled} mails too many");
    let _ = guestlist.anonymous().get("/readyz").await.is(200);
    let _ = guestlist.invite("afterwards@example.com").await;
    let _ = guestlist.sandbox().nth_email("afterwards@example.com", 1).await;
}
