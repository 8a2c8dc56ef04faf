//! What the first line of the overview says to an operator on call.

use guestlist_tests::browser::{WebDriver, Window, start_setup_with_browsers};
use guestlist_tests::{Engine, Guestlist};
use serde_json::json;

use crate::operations::{check, open_with_key, refused_invitations, wait_for_lead};
use crate::steps::ADA;

/// Starts an installation of several processes, and opens the overview.
async fn start(workers: usize) -> Option<(WebDriver, Guestlist, Window)> {
    let setup = Guestlist::split(Engine::Sqlite).workers(workers);
    let (browsers, guestlist) = start_setup_with_browsers(setup).await?;
    let window = browsers.profile().await;
    open_with_key(&window, &guestlist, &guestlist.api_key).await;
    Some((browsers, guestlist, window))
}

#[tokio::test]
async fn a_stopped_stytch_needs_no_person() {
    let Some((_browsers, guestlist, window)) = start(1).await else { return };
    guestlist.sandbox().set_faults(&json!({ "down": true })).await;
    guestlist.invite_many(12).await;
    wait_for_lead(&window, "Not sending since").await;
    wait_for_lead(&window, "Stytch does not respond").await;
    window.wait_for_text("You need to do nothing").await;
    window.wait_for_text("12 waiting, the oldest for").await;
    check(&window, &guestlist, "ops-stytch-down").await;
    guestlist.sandbox().clear_faults().await;
    window.wait_for_text("Nothing is waiting.").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_refused_secret_names_the_setting() {
    let Some((_browsers, guestlist, window)) = start(1).await else { return };
    let fault = json!({ "status": 401, "error_type": "unauthorized_credentials" });
    guestlist.sandbox().set_faults(&fault).await;
    let _ = guestlist.invite(ADA).await;
    wait_for_lead(&window, "Stytch refused the secret").await;
    window.wait_for_text("Set STYTCH_SECRET.").await;
    window.wait_for_text("sent by itself once this is fixed").await;
    let said = window.text(".status .meta").await.unwrap();
    assert!(said.contains("unauthorized_credentials"), "{said}");
    check(&window, &guestlist, "ops-refused-secret").await;
}

#[tokio::test]
async fn a_killed_worker_is_named_and_its_jobs_wait() {
    let Some((_browsers, mut guestlist, window)) = start(2).await else { return };
    wait_for_lead(&window, "Sending").await;
    // A worker that starts after the last report of a lost one counts as its replacement.
    let unordered = "SELECT COUNT(*) FROM job_workers AS one, job_workers AS other \
                     WHERE one.seen_at <= other.started_at AND one.id <> other.id";
    window
        .wait_for("both have reported since both started", async || {
            (guestlist.database().integer(unordered).await == 0).then_some(())
        })
        .await;
    let pid = guestlist.workers()[0].id();
    guestlist.kill_worker(0);
    wait_for_lead(&window, "Sending, but 1 of 2 workers has not responded since").await;
    window.wait_for_text("Stopped answering").await;
    window.wait_for_text(&format!("process {pid}")).await;
    check(&window, &guestlist, "ops-one-worker-lost").await;

    // The other is killed with calls in flight.
    guestlist.sandbox().set_faults(&json!({ "latency_ms": 20_000 })).await;
    guestlist.invite_many(5).await;
    let running = "SELECT COUNT(*) FROM jobs WHERE state = 'running'";
    window
        .wait_for("all are running", async || {
            (guestlist.database().integer(running).await == 5).then_some(())
        })
        .await;
    guestlist.kill_worker(0);
    wait_for_lead(&window, "Not sending: no worker is running").await;
    window.wait_for_text("5 waiting").await;
    let status = guestlist.api().get("/v1/status").await.is(200).json();
    assert_eq!((&status["held"], &status["running"]), (&json!(5), &json!(0)), "{status}");
    check(&window, &guestlist, "ops-workers-lost").await;
}

#[tokio::test]
async fn forty_errors_are_one_line_and_a_list() {
    let Some((_browsers, guestlist, window)) = start(1).await else { return };
    refused_invitations(&guestlist, 40).await;
    let codes = "UPDATE jobs SET last_error_code = 'error_' || substr(hex(id), 27, 6), \
                 last_error = '</td><script>document.title=1</script> reason ' || hex(id) \
                 WHERE state = 'dead'";
    assert_eq!(guestlist.database().execute(codes).await, 40);
    wait_for_lead(&window, "Sending, but 40 dead jobs need a decision").await;
    window.wait_for_text("All 40 errors").await;
    assert_eq!(window.count("[data-live=errors] tbody tr").await, 5);
    check(&window, &guestlist, "ops-forty-errors").await;
    window.click("Retry or dismiss the dead jobs").await;
    window.wait_for_text("32 more errors").await;
    assert_eq!(window.title().await, "Jobs · Guestlist");
    check(&window, &guestlist, "jobs-forty-errors").await;
}
