//! Outages of Stytch, and the recovery from them.

use std::time::{Duration, Instant};

use guestlist_tests::{Engine, Guestlist, LONG, SHORT, id, wait_until};
use serde_json::{Value, json};

use crate::{duplicate_count, exclusive, invitation_count, mail_count, wait_until_sent};

const WAITING: usize = 2_000;
const OUTAGE: Duration = Duration::from_mins(1);
const RATE: u64 = 100;

#[tokio::test]
async fn two_thousand_invitations_survive_an_outage_of_a_minute() {
    let _exclusive = exclusive().await;
    let guestlist = Guestlist::split(Engine::Sqlite).workers(2).start().await;
    guestlist.sandbox().set_faults(&json!({ "down": true })).await;
    let outage_start = Instant::now();
    let first = guestlist.invite("first@example.com").await;
    guestlist.invite_many(WAITING - 1).await;
    let first = id(&first);
    wait_until(LONG, "the reason is reported", async || {
        let status = guestlist.api().get("/v1/status").await.is(200).json();
        (status["provider"] == "down").then_some(())
    })
    .await;
    let last = latest(&guestlist).await;
    assert_eq!(last["held_by"], "provider_down", "{last}");
    assert_eq!(last["attempts"], 0, "{last}");
    tokio::time::sleep(OUTAGE.saturating_sub(outage_start.elapsed())).await;
    guestlist.sandbox().clear_faults().await;
    let back = Instant::now();

    // A user requests a login link during the recovery.
    wait_until(SHORT, "the recovery has begun", async || {
        (mail_count(&guestlist).await > 100).then_some(())
    })
    .await;
    let asked = Instant::now();
    let admin = json!({ "email": guestlist.admin_email });
    let _ = guestlist.anonymous().post("/v1/login", &admin).await.is(202);
    let _ = guestlist.sandbox().nth_email(&guestlist.admin_email, 1).await;
    let login = asked.elapsed();
    assert!(invitation_count(&guestlist, "status = 'queued'").await > 0, "it was in the middle");

    wait_until_sent(&guestlist, WAITING, LONG * 2).await;
    let caught_up = back.elapsed();
    let stats = guestlist.sandbox().stats().await;
    let peak = stats["peak_per_second"].as_u64().unwrap();
    println!(
        "a login after {login:?}, all caught up after {caught_up:?}, {peak} calls a second at most"
    );
    assert!(login < Duration::from_secs(3), "{login:?}");
    assert!(peak <= RATE, "{peak} calls in a second");
    assert_eq!(duplicate_count(&guestlist, WAITING + 1).await, 0);
    assert_eq!(
        invitation_count(&guestlist, "attempts > 5").await,
        0,
        "none has used its attempts up"
    );
    assert_timelines(&guestlist, first).await;
}

async fn latest(guestlist: &Guestlist) -> Value {
    let page = guestlist.api().get("/v1/invitations?limit=1").await.is(200).json();
    page["items"][0].clone()
}

/// Asserts the events of the first invitation, which was attempted during the outage, and of the
/// last one, which was only held.
async fn assert_timelines(guestlist: &Guestlist, first: &str) {
    let story = guestlist.timeline(first).await;
    assert_eq!(story.first().map(String::as_str), Some("requested"), "{story:?}");
    assert_eq!(story.last().map(String::as_str), Some("sent"), "{story:?}");
    assert!(story.iter().filter(|kind| *kind == "attempted").count() >= 2, "{story:?}");
    let last = latest(guestlist).await;
    let story = guestlist.events(id(&last)).await;
    let kinds: Vec<_> = story.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["requested", "held", "attempted", "sent"], "{story:#?}");
    assert_eq!(story[1]["detail"]["by"], "provider_down", "{story:#?}");
    assert!(story[1]["detail"]["until"].is_string(), "{story:#?}");
}

#[tokio::test]
async fn an_invitation_that_expired_during_an_outage_is_not_sent() {
    let _exclusive = exclusive().await;
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    guestlist.sandbox().set_faults(&json!({ "down": true })).await;
    let invitation = guestlist.invite("late@example.com").await;
    wait_until(LONG, "an attempt is recorded", async || {
        let kinds = guestlist.timeline(id(&invitation)).await;
        kinds.contains(&"attempted".to_owned()).then_some(())
    })
    .await;
    // An attempt that had read the invitation could call Stytch after the outage.
    guestlist.stop_worker(0).await;
    // The invitation's minimum of five minutes ends before the outage does.
    let expire = "UPDATE invitations SET expires_at = created_at + 1";
    assert_eq!(guestlist.database().execute(expire).await, 1);
    guestlist.sandbox().clear_faults().await;
    guestlist.start_worker().await;
    guestlist.wait_for_jobs().await;
    let kinds = guestlist.timeline(id(&invitation)).await;
    assert!(!kinds.contains(&"sent".to_owned()), "{kinds:?}");
    assert_eq!(mail_count(&guestlist).await, 0);
}

/// Stytch accepts the request, and does not respond within the client's timeout.
#[tokio::test]
async fn a_worker_can_be_stopped_while_stytch_hangs() {
    let _exclusive = exclusive().await;
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    guestlist.sandbox().set_faults(&json!({ "latency_ms": 60_000 })).await;
    guestlist.invite_many(30).await;
    wait_until(LONG, "the worker logs the outage", async || {
        let status = guestlist.api().get("/v1/status").await.is(200).json();
        (status["provider"] == "down").then_some(())
    })
    .await;
    let asked = Instant::now();
    guestlist.stop_worker(0).await;
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert_eq!(invitation_count(&guestlist, "status = 'failed'").await, 0);
}

/// At low traffic, failures come one at a time, and a single one must be enough.
#[tokio::test]
async fn an_outage_is_noticed_at_low_traffic_and_recovery_is_immediate() {
    let _exclusive = exclusive().await;
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    guestlist.sandbox().set_faults(&json!({ "status": 500 })).await;
    let lone = guestlist.invite("lone@example.com").await;
    let outage_start = Instant::now();
    let status = wait_until(LONG, "the outage is noticed", async || {
        let status = guestlist.api().get("/v1/status").await.is(200).json();
        (status["provider"] == "down").then_some(status)
    })
    .await;
    println!("noticed after {:?}: {}", outage_start.elapsed(), status["summary"]);
    assert_eq!(status["sending"], false, "{status}");
    let held = wait_until(LONG, "the job is due and held", async || {
        let lone = guestlist.invitation(id(&lone)).await;
        (lone["held_by"] == "provider_down").then_some(lone)
    })
    .await;
    assert!(held["attempts"].as_u64().unwrap() <= 6, "{held}");
    guestlist.sandbox().clear_faults().await;
    let back = Instant::now();
    let _ = guestlist.sandbox().nth_email("lone@example.com", 1).await;
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
}
