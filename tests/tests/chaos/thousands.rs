//! A thousand invitations, and the worker ends in the middle of them.

use std::time::{Duration, Instant};

use guestlist_tests::{Guestlist, SHORT, Setup, one_engine_at_a_time, wait_until};
use serde_json::json;

use crate::{all_sent, alone, count_of, doubled, mailed};

const MANY: usize = 1_000;
const IN_FLIGHT: usize = 50;
/// What is lost when a worker dies waits for its lease, ten seconds; the rest is work, which takes
/// some times longer where nothing is optimised.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 20 });

fn quick(setup: Setup) -> Setup {
    setup
        .workers(0)
        .env("STYTCH_RATE_LIMIT", "10000/s")
        .env("WORKER_CONCURRENCY", &IN_FLIGHT.to_string())
}

/// A thousand wait, a worker begins, and half of them are mailed.
async fn in_the_middle(guestlist: &mut Guestlist) -> Instant {
    guestlist.invite_many(MANY).await;
    guestlist.stytch().faults(&json!({ "latency_ms": 120 })).await;
    let began = Instant::now();
    guestlist.start_worker().await;
    wait_until(SHORT, "half are mailed", async || {
        (mailed(guestlist).await >= MANY / 2).then_some(())
    })
    .await;
    began
}

#[tokio::test]
async fn of_a_thousand_invitations_a_killed_worker_doubles_next_to_none() {
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
        let unknown = "SELECT COUNT(*) FROM users WHERE provider_user_id IS NULL";
        assert_eq!(guestlist.database().number(unknown).await, 0, "{engine}: every row is whole");
        let searches = guestlist.stytch().calls("POST /v1/users/search", "200").await;
        assert!(searches <= 10, "{engine}: {searches} searches");
    })
    .await;
}

#[tokio::test]
async fn of_a_thousand_invitations_a_stopped_worker_doubles_none_and_charges_nothing() {
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
        assert_eq!(guestlist.database().number(retried).await, 0);
    })
    .await;
}
