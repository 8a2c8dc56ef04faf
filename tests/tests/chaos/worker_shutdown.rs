//! A worker that ends while it sends a thousand invitations.

use std::time::{Duration, Instant};

use guestlist_tests::{Guestlist, SHORT, Setup, one_engine_at_a_time, wait_until};
use serde_json::json;

use crate::{duplicate_count, exclusive, invitation_count, mail_count, wait_until_sent};

const MANY: usize = 1_000;
const IN_FLIGHT: usize = 50;
/// The jobs that a worker holds at most: besides those in flight, some wait for their result to be
/// written.
const HELD: usize = IN_FLIGHT + IN_FLIGHT / 2;
/// The limit for the whole run. Jobs of a killed worker wait ten seconds for the end of its lease;
/// an unoptimized build needs more time for the rest.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 20 });

fn high_throughput(setup: Setup) -> Setup {
    setup
        .workers(0)
        .env("STYTCH_RATE_LIMIT", "10000/s")
        .env("WORKER_CONCURRENCY", &IN_FLIGHT.to_string())
}

/// Queues the invitations, starts a worker, and waits until half of them are mailed.
async fn start_sending(guestlist: &mut Guestlist) -> Instant {
    guestlist.invite_many(MANY).await;
    guestlist.sandbox().set_faults(&json!({ "latency_ms": 120 })).await;
    let began = Instant::now();
    guestlist.start_worker().await;
    wait_until(SHORT, "half are mailed", async || {
        (mail_count(guestlist).await >= MANY / 2).then_some(())
    })
    .await;
    began
}

#[tokio::test]
async fn a_killed_worker_duplicates_almost_no_mail() {
    let _exclusive = exclusive().await;
    one_engine_at_a_time(|engine| async move {
        let mut guestlist = high_throughput(Guestlist::split(engine)).start().await;
        let began = start_sending(&mut guestlist).await;
        guestlist.kill_worker(0);
        let in_flight =
            mail_count(&guestlist).await - invitation_count(&guestlist, "status = 'sent'").await;
        guestlist.start_worker().await;
        wait_until_sent(&guestlist, MANY, PATIENCE * 2).await;
        let took = began.elapsed();
        let doubled = duplicate_count(&guestlist, MANY).await;
        println!(
            "{engine}: {took:?}; {in_flight} were mailed and not on record, {doubled} doubled"
        );
        assert!(took < PATIENCE, "{engine}: {took:?}");
        assert!(doubled <= 5, "{engine}: {doubled} mails too many");
        let again = invitation_count(&guestlist, "attempts <> 1").await;
        assert!(again <= HELD, "{engine}: {again} were called for again");
        let unknown = "SELECT COUNT(*) FROM users WHERE provider_user_id IS NULL";
        assert_eq!(guestlist.database().integer(unknown).await, 0, "{engine}: every row is whole");
        let searches = guestlist.sandbox().call_count("POST /v1/users/search", "200").await;
        assert!(searches <= 10, "{engine}: {searches} searches");
    })
    .await;
}

#[tokio::test]
async fn a_stopped_worker_duplicates_no_mail_and_costs_no_attempt() {
    let _exclusive = exclusive().await;
    one_engine_at_a_time(|engine| async move {
        let mut guestlist = high_throughput(Guestlist::split(engine)).start().await;
        let began = start_sending(&mut guestlist).await;
        guestlist.stop_worker(0).await;
        let (mailed, sent) =
            (mail_count(&guestlist).await, invitation_count(&guestlist, "status = 'sent'"));
        assert_eq!(mailed, sent.await, "what was mailed is on record");
        guestlist.start_worker().await;
        wait_until_sent(&guestlist, MANY, PATIENCE).await;
        println!("{engine}: {:?}", began.elapsed());
        assert_eq!(duplicate_count(&guestlist, MANY).await, 0);
        assert_eq!(
            invitation_count(&guestlist, "attempts <> 1").await,
            0,
            "a stop costs no attempt"
        );
        let retried = "SELECT COUNT(*) FROM jobs WHERE kind = 'send-invite' AND attempts <> 1";
        assert_eq!(guestlist.database().integer(retried).await, 0);
    })
    .await;
}
