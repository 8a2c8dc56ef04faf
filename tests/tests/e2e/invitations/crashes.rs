//! Killed workers and applications lose nothing and write nothing by halves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use guestlist_tests::{
    Caller, Guestlist, LONG, SHORT, on_every_engine, one_engine_at_a_time, wait_until,
};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

const INVITATIONS: usize = 200;
const IN_FLIGHT: usize = 10;

/// Queues 200 invitations, starts a worker with a concurrency of ten, and waits until some are
/// sent.
async fn start_sending(guestlist: &mut Guestlist) {
    guestlist.invite_many(INVITATIONS).await;
    // The sandbox sends at once and responds later, so that ten requests are always in flight.
    guestlist.sandbox().set_faults(&json!({ "latency_ms": 300 })).await;
    guestlist.start_worker().await;
    let stytch = guestlist.sandbox();
    wait_until(SHORT, "a third has been mailed", async || {
        (stytch.all_emails().await.len() > INVITATIONS / 3).then_some(())
    })
    .await;
}

async fn wait_until_all_sent(guestlist: &Guestlist) {
    wait_until(LONG, "every invitation is sent", async || {
        let sent = "SELECT COUNT(*) FROM invitations WHERE status = 'sent'";
        let sent = usize::try_from(guestlist.database().integer(sent).await).unwrap();
        (sent == INVITATIONS).then_some(())
    })
    .await;
}

async fn mails_by_address(guestlist: &Guestlist) -> BTreeMap<String, usize> {
    let mut mails = BTreeMap::new();
    for mail in guestlist.sandbox().all_emails().await {
        *mails.entry(mail.to).or_default() += 1;
    }
    mails
}

#[tokio::test]
async fn a_killed_worker_duplicates_only_mail_in_flight() {
    on_every_engine(|engine| async move {
        let setup = Guestlist::split(engine).workers(0);
        let concurrency = IN_FLIGHT.to_string();
        let mut guestlist = setup.env("WORKER_CONCURRENCY", &concurrency).start().await;
        start_sending(&mut guestlist).await;
        guestlist.kill_worker(0);
        guestlist.sandbox().clear_faults().await;
        guestlist.start_worker().await;
        wait_until_all_sent(&guestlist).await;
        let mails = mails_by_address(&guestlist).await;
        assert_eq!(mails.len(), INVITATIONS, "every address has mail");
        let doubled = mails.values().map(|count| count - 1).sum::<usize>();
        assert!(doubled <= IN_FLIGHT, "{doubled} mails too many");
    })
    .await;
}

#[tokio::test]
async fn a_stopped_worker_loses_and_duplicates_nothing() {
    on_every_engine(|engine| async move {
        let setup = Guestlist::split(engine).workers(0);
        let concurrency = IN_FLIGHT.to_string();
        let mut guestlist = setup.env("WORKER_CONCURRENCY", &concurrency).start().await;
        start_sending(&mut guestlist).await;
        guestlist.stop_worker(0).await;
        let mailed = guestlist.sandbox().all_emails().await.len();
        let sent = "SELECT COUNT(*) FROM invitations WHERE status = 'sent'";
        let sent = usize::try_from(guestlist.database().integer(sent).await).unwrap();
        assert_eq!(sent, mailed, "what was mailed is on record when the worker has stopped");
        assert!(mailed < INVITATIONS, "it stopped in the middle");
        guestlist.sandbox().clear_faults().await;
        guestlist.start_worker().await;
        wait_until_all_sent(&guestlist).await;
        let mails = mails_by_address(&guestlist).await;
        assert_eq!(mails.len(), INVITATIONS, "every address has mail");
        assert!(mails.values().all(|count| *count == 1), "{mails:?}");
        let charged = "SELECT COUNT(*) FROM invitations WHERE attempts <> 1";
        assert_eq!(guestlist.database().integer(charged).await, 0, "a stop costs no attempt");
    })
    .await;
}

#[tokio::test]
async fn an_app_killed_under_load_leaves_complete_invitations() {
    one_engine_at_a_time(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(0).start().await;
        let mut acknowledged = Vec::new();
        for round in 0..5 {
            // Each round kills the application at another moment, while sixteen clients send invitations.
            let acknowledged_count = Arc::new(AtomicUsize::new(0));
            let load = send_invitations(guestlist.api(), round, Arc::clone(&acknowledged_count));
            let (asked, ()) = tokio::join!(load, async {
                wait_until(SHORT, "enough invitations are acknowledged", async || {
                    (acknowledged_count.load(Ordering::Relaxed) > 10 + round * 17).then_some(())
                })
                .await;
                guestlist.kill_app();
            });
            acknowledged.extend(asked);
            guestlist.start_app().await;
        }
        assert_complete(&guestlist, &acknowledged).await;
    })
    .await;
}

/// Invites with sixteen clients until the server is gone; returns the acknowledged addresses.
async fn send_invitations(
    api: Caller,
    round: usize,
    acknowledged_count: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut clients = JoinSet::new();
    for client in 0..16 {
        let (api, acknowledged_count) = (api.clone(), Arc::clone(&acknowledged_count));
        clients.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0.. {
                let email = format!("r{round}c{client}n{n}@example.com");
                let body = json!({ "email": email }).to_string();
                let json = Some("application/json");
                let Ok(response) = api.try_call(Method::POST, "/v1/invitations", json, body).await
                else {
                    break;
                };
                let _ = response.is(202);
                acknowledged.push(email);
                acknowledged_count.fetch_add(1, Ordering::Relaxed);
            }
            acknowledged
        });
    }
    clients.join_all().await.into_iter().flatten().collect()
}

/// Asserts that every user has its address, invitation, event and job, and the reverse.
async fn assert_complete(guestlist: &Guestlist, acknowledged: &[String]) {
    let database = guestlist.database();
    let users = database.integer("SELECT COUNT(*) FROM users").await;
    for (what, sql) in [
        (
            "addresses",
            "SELECT COUNT(*) FROM user_emails e JOIN users u ON u.id = e.user_id AND u.email = e.email",
        ),
        (
            "invitations",
            "SELECT COUNT(*) FROM invitations i JOIN users u ON u.id = i.user_id AND u.email = i.email",
        ),
        (
            "events",
            "SELECT COUNT(*) FROM events e JOIN invitations i ON i.id = e.invitation_id WHERE e.kind = 'requested'",
        ),
        ("jobs", "SELECT COUNT(*) FROM jobs WHERE kind = 'send-invite'"),
        ("all addresses", "SELECT COUNT(*) FROM user_emails"),
        ("all invitations", "SELECT COUNT(*) FROM invitations"),
    ] {
        assert_eq!(database.integer(sql).await, users, "as many {what} as users");
    }
    let rows = database.query("SELECT email FROM users").await;
    let kept: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    for email in acknowledged {
        assert!(kept.contains(email), "{email} was acknowledged and is lost");
    }
    let rows = database.query("SELECT args FROM jobs WHERE kind = 'send-invite'").await;
    let jobs: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    let ids = database.query("SELECT LOWER(HEX(id)) FROM invitations").await;
    for id in ids.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()) {
        let uuid = uuid::Uuid::parse_str(&id).unwrap().to_string();
        assert!(jobs.iter().any(|args| args.contains(&uuid)), "{uuid} has no job");
    }
}
