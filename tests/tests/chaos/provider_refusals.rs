//! Stytch throttles, or rejects the credentials or the configuration.

use std::time::{Duration, Instant};

use guestlist_tests::{Engine, Guestlist, LONG, wait_until};
use serde_json::json;

use crate::{duplicate_count, exclusive, invitation_count, wait_until_sent};

#[tokio::test]
async fn a_429_for_half_of_all_calls_costs_no_attempt() {
    const MANY: usize = 100;
    let _exclusive = exclusive().await;
    for retry_after in [None, Some(1)] {
        let guestlist = Guestlist::split(Engine::Sqlite).workers(2).start().await;
        let mut faults =
            json!({ "error_rate": 0.5, "status": 429, "error_type": "too_many_requests" });
        if let Some(seconds) = retry_after {
            faults["retry_after_seconds"] = json!(seconds);
        }
        guestlist.sandbox().set_faults(&faults).await;
        let began = Instant::now();
        guestlist.invite_many(MANY).await;
        wait_until_sent(&guestlist, MANY, LONG * 3).await;
        println!("Retry-After {retry_after:?}: {:?}", began.elapsed());
        assert_eq!(
            invitation_count(&guestlist, "attempts <> 1").await,
            0,
            "a 429 costs no attempt"
        );
        assert_eq!(duplicate_count(&guestlist, MANY).await, 0);
        let limited = "SELECT COUNT(*) FROM events WHERE kind = 'held'";
        assert!(guestlist.database().integer(limited).await > 0, "the timeline tells of it");
    }
}

#[tokio::test]
async fn a_wrong_secret_fails_no_job_and_names_the_remedy() {
    const MANY: usize = 30;
    let _exclusive = exclusive().await;
    let (_, right) = Guestlist::split(Engine::Sqlite).prepare().await.stytch_credentials();
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    guestlist.invite_many(MANY).await;
    guestlist.set_env("STYTCH_SECRET", "secret-test-not-the-right-one-at-all=");
    guestlist.start_unready_worker().await;
    let line = wait_until(LONG, "status names the remedy", async || {
        let finished = guestlist.run(&["status"]).await;
        let line = finished.stdout.lines().next().unwrap_or_default().to_owned();
        line.contains("STYTCH_SECRET").then_some(line)
    })
    .await;
    println!("{line}");
    assert!(line.starts_with("NOT SENDING since"), "{line}");
    assert!(line.contains(&format!("{MANY} held")), "{line}");
    let status = guestlist.api().get("/v1/status").await.is(200).json();
    assert_eq!(status["provider"], "misconfigured", "{status}");
    let ready = guestlist.worker_ready().await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("STYTCH_SECRET"), "{}", ready.body);
    let _ = guestlist.anonymous().get("/readyz").await.is(200);
    assert_eq!(invitation_count(&guestlist, "status = 'queued' AND attempts = 0").await, MANY);
    let page = guestlist.api().get("/v1/invitations?limit=200").await.is(200).json();
    for invitation in page["items"].as_array().unwrap() {
        assert_eq!(invitation["held_by"], "misconfigured", "{invitation}");
    }

    // The secret is corrected and the worker restarted, as by a deployment.
    guestlist.stop_worker(0).await;
    guestlist.set_env("STYTCH_SECRET", right);
    guestlist.start_worker().await;
    wait_until_sent(&guestlist, MANY, LONG).await;
    assert_eq!(invitation_count(&guestlist, "attempts <> 1").await, 0);
    assert_eq!(duplicate_count(&guestlist, MANY).await, 0);
}

/// A wrong setting in Stytch's dashboard is corrected without a restart of the worker.
#[tokio::test]
async fn a_configuration_corrected_at_stytch_needs_no_restart() {
    const MANY: usize = 30;
    let _exclusive = exclusive().await;
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let refused = json!({ "status": 401, "error_type": "unauthorized_credentials" });
    guestlist.sandbox().set_faults(&refused).await;
    guestlist.invite_many(MANY).await;
    wait_until(LONG, "the worker logs the outage", async || {
        (guestlist.worker_ready().await.status == 503).then_some(())
    })
    .await;
    guestlist.sandbox().clear_faults().await;
    wait_until_sent(&guestlist, MANY, LONG * 2).await;
    assert_eq!(invitation_count(&guestlist, "attempts <> 1").await, 0);
    assert_eq!(duplicate_count(&guestlist, MANY).await, 0);
    assert_eq!(guestlist.worker_ready().await.status, 200);
}

#[tokio::test]
async fn rejected_bulk_mail_does_not_delay_login_links() {
    const MANY: usize = 30;
    let _exclusive = exclusive().await;
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let path = "/v1/magic_links/email/invite";
    let unwanted = json!({
        "status": 429, "error_type": "too_few_tokens_authenticated", "path": path,
    });
    guestlist.sandbox().set_faults(&unwanted).await;
    guestlist.invite_many(MANY).await;
    let line = wait_until(LONG, "status reports it", async || {
        let status = guestlist.api().get("/v1/status").await.is(200).json();
        let summary = status["summary"].as_str().unwrap().to_owned();
        summary.contains("login links only").then_some(summary)
    })
    .await;
    println!("{line}");
    let page = guestlist.api().get("/v1/invitations?limit=200").await.is(200).json();
    for invitation in page["items"].as_array().unwrap() {
        assert_eq!(invitation["held_by"], "rate_limit", "{invitation}");
        assert_eq!((&invitation["status"], &invitation["attempts"]), (&json!("queued"), &json!(0)));
    }
    let asked = Instant::now();
    let admin = json!({ "email": guestlist.admin_email });
    let _ = guestlist.anonymous().post("/v1/login", &admin).await.is(202);
    let _ = guestlist.sandbox().nth_email(&guestlist.admin_email, 1).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}
