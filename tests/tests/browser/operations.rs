//! The pages for operators: queues, jobs, and actions on them.

use guestlist_tests::browser::{Size, Window, start_setup_with_browsers, start_with_browsers};
use guestlist_tests::{Engine, Guestlist, SHORT, id, wait_until};
use serde_json::json;

use crate::steps::{ADA, log_in_admin, log_in_member};

const INVITE: &str = "/v1/magic_links/email/invite";
/// Characters that end tags and reverse their surroundings.
const HOSTILE: &str = "</bdi><script>document.title='owned'</script>\u{202e}gniod";

/// Opens the operations with an API key, as after the browser's prompt.
pub async fn open_with_key(window: &Window, guestlist: &Guestlist, key: &str) {
    let (scheme, host) = guestlist.public_url.split_once("://").unwrap();
    window.open(&format!("{scheme}://operator:{key}@{host}/ops/key")).await;
    // Browsers send no key to a URL with a user name before they are asked for it.
    window.open(&format!("{}/ops/key", guestlist.public_url)).await;
    window.wait_for_heading("Operations").await;
    window.wait_for_path("/ops/").await;
}

/// Logs the administrator in, and opens the operations.
async fn open_as_admin(window: &Window, guestlist: &Guestlist) {
    log_in_admin(window, guestlist).await;
    window.open(&format!("{}/ops", guestlist.public_url)).await;
    window.wait_for_heading("Operations").await;
    let _ = window.console_errors().await;
}

/// Invites addresses that Stytch refuses for good.
pub async fn refused_invitations(guestlist: &Guestlist, count: usize) {
    let fault = json!({ "status": 400, "error_type": "invalid_email", "path": INVITE });
    guestlist.sandbox().set_faults(&fault).await;
    guestlist.invite_many(count).await;
    let dead = "SELECT COUNT(*) FROM jobs WHERE state = 'dead'";
    let expected = i64::try_from(count).unwrap();
    wait_until(SHORT, "the jobs are dead", async || {
        (guestlist.database().integer(dead).await == expected).then_some(())
    })
    .await;
    guestlist.sandbox().clear_faults().await;
}

/// Checks a page on a light desktop and on a narrow dark phone, and takes screenshots.
pub async fn check(window: &Window, guestlist: &Guestlist, name: &str) {
    let desktop = Size { width: 1440, height: 900, is_dark: false };
    let phone = Size { width: 360, height: 800, is_dark: true };
    let folder = std::env::var_os("GUESTLIST_TEST_PICTURES").map(std::path::PathBuf::from);
    let folder = folder.unwrap_or_else(|| guestlist.folder().join("pictures"));
    std::fs::create_dir_all(&folder).unwrap();
    for (size, kind) in [(phone, "phone"), (desktop, "desktop")] {
        window.resize(size).await;
        let faults = window.accessibility_faults().await;
        window.screenshot(&folder.join(format!("{name}-{kind}.png"))).await;
        assert!(faults.is_empty(), "{name}, {kind}: {faults:#?}");
    }
    window.assert_no_console_errors().await;
}

pub async fn wait_for_lead(window: &Window, words: &str) {
    let what = format!("the first line contains {words:?}");
    let lead = async || window.text(".lead").await.filter(|lead| lead.contains(words));
    let _ = window.wait_for(&what, lead).await;
}

#[tokio::test]
async fn an_empty_installation_says_that_nothing_waits() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    open_as_admin(&window, &guestlist).await;
    assert_eq!(window.text(".lead").await.as_deref(), Some("Sending"));
    window.wait_for_text("Nothing is waiting.").await;
    window.wait_for_text("Alive").await;
    let queues = window.text("[data-live=queues]").await.unwrap();
    assert!(queues.contains("maintenance") && !queues.contains("webhook"), "{queues}");
    assert_eq!(window.count("svg.spark[aria-label]").await, 4 + 2 * 4);
    check(&window, &guestlist, "ops-empty").await;
    window.open(&format!("{}/ops/jobs", guestlist.public_url)).await;
    window.wait_for_text("No dead jobs").await;
    check(&window, &guestlist, "jobs-empty").await;
}

#[tokio::test]
async fn a_key_opens_operations_while_nobody_can_log_in() {
    let setup = Guestlist::split(Engine::Sqlite).workers(0);
    let Some((browsers, guestlist)) = start_setup_with_browsers(setup).await else { return };
    let window = browsers.profile().await;
    window.open(&format!("{}/ops", guestlist.public_url)).await;
    window.wait_for_heading("Log in").await;
    let (key, secret) = guestlist.create_key("on call", &["ops:read", "ops:write"]).await;
    open_with_key(&window, &guestlist, &secret).await;
    window.wait_for_text("on call").await;
    wait_for_lead(&window, "Not sending: no worker is running").await;
    window.wait_for_text("guestlist-worker").await;
    check(&window, &guestlist, "ops-no-worker").await;

    window.click("Jobs").await;
    window.wait_for_heading("Jobs").await;
    window.script("document.querySelector('header nav a').click()").await;
    window.wait_for_path("/ops/").await;
    window.mark_document().await;
    let _ = guestlist.invite(ADA).await;
    window.wait_for_text("1 waiting, the oldest for").await;
    assert!(window.has_mark().await, "the page updates itself");
    window.assert_no_console_errors().await;

    let _ = guestlist.run_ok(&["keys", "revoke", &key]).await;
    let asked = guestlist.anonymous().basic("", &secret).get("/ops/").await.is(303);
    assert_eq!(asked.header("location"), Some("/ops/key"));
    let asked = guestlist.anonymous().basic("", &secret).get("/ops/key").await;
    let challenge = asked.header("www-authenticate");
    assert_eq!((asked.status, challenge), (401, Some("Basic realm=\"Guestlist API key\"")));
}

#[tokio::test]
async fn only_operators_see_and_change_operations() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let _ = guestlist.add_user("op@example.com", "operator").await;
    let mut operator = guestlist.log_in("op@example.com").await;
    let page = operator.get("/ops").await.is(200);
    assert!(page.body.contains("Pause login"), "{}", page.body);
    let mut member = guestlist.member("bob@example.com").await;
    let (_, reader) = guestlist.create_key("reader", &["ops:read"]).await;
    let (_, other) = guestlist.create_key("other", &["users:read"]).await;
    let reader = guestlist.anonymous().basic("", &reader);
    let other = guestlist.anonymous().basic("", &other);
    for path in ["/ops", "/ops/", "/ops/jobs"] {
        let _ = member.get(path).await.is(403);
        let _ = other.get(path).await.is(403);
        let page = reader.get(path).await.is(200);
        assert!(!page.body.contains("<form method=\"post\" action=\"/ops"), "{}", page.body);
        let login = guestlist.anonymous().get(path).await.is(303);
        assert!(login.header("location").unwrap().starts_with("/login?return_to=%2Fops"));
    }
    for path in ["/ops/queues/login/pause", "/ops/queues/login/resume", "/ops/jobs/retry"] {
        let _ = member.form(path, &[("state", "dead")]).await.is(403);
        let _ = reader.form(path, &[("state", "dead")]).await.is(403);
        let foreign = guestlist.anonymous().basic("", &guestlist.api_key);
        let foreign = foreign.with("origin", "https://evil.example");
        let _ = foreign.with("sec-fetch-site", "cross-site").form(path, &[]).await.is(403);
    }
    // The browser of a member sees the refusal as a page.
    let window = browsers.profile().await;
    let _ = log_in_member(&window, &guestlist, ADA).await;
    window.open(&format!("{}/ops", guestlist.public_url)).await;
    window.wait_for_text("Your role does not permit this.").await;
}

#[tokio::test]
async fn a_queue_is_paused_with_a_reason_and_resumed() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    open_as_admin(&window, &guestlist).await;
    window
        .script("document.querySelector('summary[aria-label^=\"Pause invitation\"]').click()")
        .await;
    window.fill("why-invitation", HOSTILE).await;
    window.click("Pause invitation").await;
    wait_for_lead(&window, "Not sending invitations since").await;
    let lead = window.text(".lead").await.unwrap();
    assert!(lead.contains("paused by admin@example.com") && lead.contains("<script>"), "{lead}");
    assert_eq!(window.title().await, "Operations · Guestlist");
    let _ = guestlist.invite(ADA).await;
    window.wait_for_text("1 waiting, the oldest for").await;
    window.wait_for_text("once you resume").await;
    check(&window, &guestlist, "ops-paused").await;
    window.open(&format!("{}/ops/jobs?state=held", guestlist.public_url)).await;
    window.wait_for_text("1 held job").await;
    window.click("send-invite").await;
    window.wait_for_text("It waits because the queue is paused").await;
    window.open(&format!("{}/ops", guestlist.public_url)).await;
    window.click("Resume the invitation queue").await;
    wait_for_lead(&window, "Sending").await;
    let _ = guestlist.sandbox().nth_email(ADA, 1).await;
    window.wait_for_text("Nothing is waiting.").await;

    // Without scripts, and refused: what was typed is kept.
    let mut admin = guestlist.admin().await;
    let reason = "x".repeat(501);
    let page = admin.form("/ops/queues/login/pause", &[("reason", &reason)]).await.is(422);
    assert!(page.body.contains(&reason) && page.body.contains("role=\"alert\""), "{}", page.body);
}

#[tokio::test]
async fn dead_jobs_are_retried_and_dismissed_together() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile_without_scripts().await;
    open_as_admin(&window, &guestlist).await;
    refused_invitations(&guestlist, 3).await;
    // The state may be a second old, and without scripts the page stays as it is.
    window
        .wait_for("the first line names the dead jobs", async || {
            window.reload().await;
            let lead = window.text(".lead").await;
            (lead? == "Sending, but 3 dead jobs need a decision").then_some(())
        })
        .await;
    check(&window, &guestlist, "ops-dead").await;
    window.click("Retry or dismiss the dead jobs").await;
    window.wait_for_text("3 dead jobs").await;
    // Administrators see whom a job is about.
    window.wait_for_text("invitation of guest2@example.com").await;
    check(&window, &guestlist, "jobs").await;
    window.click("invalid_email").await;
    window.wait_for_path("/ops/jobs?state=dead&error=invalid_email").await;
    window.click("Retry all 3…").await;
    window.wait_for_heading("Retry 3 jobs?").await;
    window.wait_for_text("3 invitations are sent again, each with a new link.").await;
    check(&window, &guestlist, "confirm-retry").await;
    assert!(guestlist.sandbox().all_emails().await.iter().all(|mail| mail.kind != "invite"));
    window.click("Retry 3 jobs").await;
    window.wait_for_text("3 jobs were retried.").await;
    let _ = guestlist.sandbox().nth_email("guest2@example.com", 1).await;

    guestlist.wait_for_jobs().await;
    refused_again(&guestlist).await;
    let counted = async || {
        window.open(&format!("{}/ops/jobs", guestlist.public_url)).await;
        window.body_text().await.contains("Dismiss all 1…").then_some(())
    };
    window.wait_for("the dead job is counted", counted).await;
    window.click("Dismiss all 1…").await;
    window.wait_for_heading("Dismiss 1 job?").await;
    window.click("Dismiss 1 job").await;
    window.wait_for_text("1 job was dismissed.").await;
    window.wait_for_text("No dead jobs").await;
    let none = "/ops/jobs/dismiss?state=dead";
    window.open(&format!("{}{none}", guestlist.public_url)).await;
    window.wait_for_heading("No jobs to dismiss").await;
    window.assert_no_console_errors().await;
}

/// Makes one more invitation fail.
async fn refused_again(guestlist: &Guestlist) {
    let fault = json!({ "status": 400, "error_type": "invalid_email", "path": INVITE });
    guestlist.sandbox().set_faults(&fault).await;
    let failed = guestlist.invite("again@example.com").await;
    let _ = guestlist.wait_for_status(id(&failed), "failed").await;
    guestlist.sandbox().clear_faults().await;
}

#[tokio::test]
async fn a_job_shows_its_attempts_and_is_cancelled_after_a_question() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    open_as_admin(&window, &guestlist).await;
    let fault =
        json!({ "status": 503, "error_type": "server_unavailable", "times": 2, "path": INVITE });
    guestlist.sandbox().set_faults(&fault).await;
    let invited = guestlist.invite(ADA).await;
    let _ = guestlist.wait_for_status(id(&invited), "sent").await;
    window.open(&format!("{}/ops/jobs?state=done&kind=send-invite", guestlist.public_url)).await;
    window.click("send-invite").await;
    window.wait_for_heading("send-invite").await;
    window.wait_for_text("There is nothing to do.").await;
    assert_eq!(window.count("section tbody tr").await, 3);
    let attempts = window.text("section tbody").await.unwrap();
    assert!(
        attempts.contains("server_unavailable") && attempts.contains("request-id-"),
        "{attempts}"
    );
    let link = window.text(".lede a").await.unwrap();
    assert_eq!(link, ADA);
    check(&window, &guestlist, "job").await;
    let job = window.path().await;

    // An action that is out of date is refused with the reason.
    let mut admin = guestlist.admin().await;
    let refused = admin.form(&format!("{job}/cancel"), &[]).await.is(409);
    assert!(refused.body.contains("Nothing was changed."), "{}", refused.body);

    let _ = guestlist.api().post_nothing("/v1/queues/invitation/pause").await.is(200);
    let held = guestlist.invite("bob@example.com").await;
    window.open(&format!("{}/ops/jobs?state=held", guestlist.public_url)).await;
    window.click("send-invite").await;
    window.click("Cancel…").await;
    window.wait_for_heading("Cancel this job?").await;
    check(&window, &guestlist, "confirm-cancel").await;
    window.click("Cancel the job").await;
    window.wait_for_text("It was cancelled or dismissed.").await;
    let failed = guestlist.invitation(id(&held)).await;
    assert_eq!(failed["last_error"]["code"], "cancelled", "{failed}");
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_job_is_found_by_its_id() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    open_as_admin(&window, &guestlist).await;
    let _ = guestlist.invite_and_mail(ADA).await;
    guestlist.wait_for_jobs().await;
    let job = guestlist.api().get("/v1/jobs?kind=send-invite").await.is(200).items().remove(0);
    window.open(&format!("{}/ops/jobs", guestlist.public_url)).await;
    window.fill("q", id(&job)).await;
    window.click("Filter").await;
    window.wait_for_path(&format!("/ops/jobs/{}", id(&job))).await;
    for path in ["/ops/jobs?state=lost", "/ops/jobs?cursor=x", "/ops/jobs?queue=mail"] {
        let mut admin = guestlist.admin().await;
        let _ = admin.get(path).await.is(422);
    }
    window.assert_no_console_errors().await;
}
