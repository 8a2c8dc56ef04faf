//! A worker that ends while it sends a thousand invitations.

use std::time::{Duration, Instant};

use guestlist_tests::{Guestlist, SHORT, Setup, one_engine_at_a_time, wait_until};
use serde_json::json;

use crate::{all_sent, alone, count_of, doubled, mailed};

const MANY: usize = 1_000;
const IN_FLIGHT: usize = 50;
/// The limit for the whole run. Jobs of a killed worker wait ten seconds for the end of its lease;
/// an unoptimized build needs more time for the rest.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 20 });

fn quick(setup: Setup) -> Setup {
    setup
        .workers(0)
        .env("STYTCH_RATE_LIMIT", "10000/s")
        .env("WORKER_CONCURRENCY", &IN_FLIGHT.to_string())
}

/// Queues the invitations, starts a worker, and waits until half of them are mailed.
async fn in_the_middle(guestlist: &mut Guestlist) -> Instant {
    guestlist.invite_many(MANY).await;
    guestlist.sandbox().set_faults(&json!({ "latency_ms": 120 })).await;
    let began = Instant::now();
    guestlist.start_worker().await;
    wait_until(SHORT, "half are mailed", async || {
        (mailed(guestlist).await >= MANY / 2).then_some(())
    })
    .await;
    began
}

#[tokio::test]
async fn a_killed_worker_duplicates_almost_no_mail() {
    let _alone = alone().await;
    one_engine_at_a_time(|engine| async move {
        let mut guestlist = quick(Guestlist::split(engine)).start().await;
        let began = in_the_middle(&mut guestlist).await;
        guestlist.kill_worker(0);
        let in_flight = mailed(&guestlist).await - count_of(&guestlist, "status = 'sent'").await;
        guestlist.start_worker().await;
        all_sent(&guestlist, MANY, PATIENCE * 2).await;
        let took = began.elapsed();
        let doubled = doubled(&guestlist, MANY).await;
        println!(
            "{engine}: {took:?}; {in_flight} were mailed and not on record, {doubled} doubled"
        );
        assert!(took < PATIENCE, "{engine}: {took:?}");
        assert!(doubled <= 5, "{engine}: {doubled} mails too many");
        let again = count_of(&guestlist, "attempts <> 1").await;
        assert!(again <= IN_FLIGHT, "{engine}: {again} were called for again");
        let unknown = "SELECT COUNT(*) FROM users WHERE stytch_user_id IS NULL";
        assert_eq!(guestlist.database().integer(unknown).await, 0, "{engine}: every row is whole");
        let searches = guestlist.sandbox().call_count("POST /v1/users/search", "200").await;
        assert!(searches <= 10, "{engine}: {searches} searches");
    })
    .await;
}

#[tokio::test]
async fn a_stopped_worker_duplicates_no_mail_and_costs_no_attempt() {
    let _alone = alone().await;
    one_engine_at_a_time(|engine| async move {
        let mut guestlist = quick(Guestlist::split(engine)).start().await;
        let began = in_the_middle(&mut guestlist).await;
        guestlist.stop_worker(0).await;
        let (mailed, sent) = (mailed(&guestlist).await, count_of(&guestlist, "status = 'sent'"));
        assert_eq!(mailed, sent.await, "what was mailed is on record");
        guestlist.start_worker().await;
        all_sent(&guestlist, MANY, PATIENCE).await;
        println!("{engine}: {:?}", began.elapsed());
        assert_eq!(doubled(&guestlist, MANY).await, 0);
        assert_eq!(count_of(&guestlist, "attempts <> 1").await, 0, "a stop costs no attempt");
        let retried = "SELECT COUNT(*) FROM jobs WHERE kind = 'send-invite' AND attempts <> 1";
        assert_eq!(guestlist.database().integer(retried).await, 0);
    })
    .await;
}
