//! The page of a magic link, with its Continue button.

use guestlist_tests::browser::start_with_browsers;
use serde_json::json;

use crate::steps::{ADA, log_in_admin, log_in_member};

#[tokio::test]
async fn continue_on_a_used_link_proceeds_for_the_logged_in_user() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let mail = log_in_member(&window, &guestlist, ADA).await;
    window.open(&mail.url).await;
    window.click("Continue").await;
    window.wait_for_heading("You’re logged in").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn the_link_page_names_the_logged_in_user_and_keeps_the_session() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    log_in_admin(&window, &guestlist).await;
    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    window.open(&mail.url).await;
    window.wait_for_heading("You are invited to Guestlist").await;
    window.wait_for_text("You are logged in as admin@example.com in this browser").await;
    window.click("Stay logged in as admin@example.com").await;
    window.wait_for_heading("People").await;
    window.wait_for_row_status(ADA, "sent").await;

    window.open(&mail.url).await;
    window.click("Continue").await;
    window.wait_for_heading("You’re logged in").await;
    window.wait_for_text(ADA).await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_users_own_login_link_shows_no_warning() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    log_in_admin(&window, &guestlist).await;
    window.open(guestlist.login_url.as_ref().unwrap()).await;
    window.wait_for("the page is there", async || window.text("main").await).await;
    let words = window.body_text().await;
    assert!(!words.contains("in this browser"), "she is warned of herself: {words}");
}

#[tokio::test]
async fn a_double_click_on_continue_logs_in() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let mut landed = Vec::new();
    // The second click follows at once or after 120 ms; Stytch responds at once or after 300 ms.
    for (n, (pause, latency)) in [(0, 0), (0, 300), (120, 0), (120, 300)].into_iter().enumerate() {
        let window = browsers.profile().await;
        let (_, mail) = guestlist.invite_and_mail(&format!("guest{n}@example.com")).await;
        window.open(&mail.url).await;
        guestlist.sandbox().set_faults(&json!({ "latency_ms": latency })).await;
        let click = "const b = document.querySelector('main button'); b.click();";
        window.script(&format!("{click} setTimeout(() => b.click(), {pause})")).await;
        let page = window.wait_for("it is answered", async || {
            window.text("h1").await.filter(|headline| headline != "You are invited to Guestlist")
        });
        landed.push((pause, latency, page.await));
        guestlist.sandbox().clear_faults().await;
    }
    assert!(landed.iter().all(|(_, _, page)| page == "You’re logged in"), "{landed:?}");
}

#[tokio::test]
async fn a_redemption_completes_after_the_browser_disconnects() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    window.open(&mail.url).await;
    guestlist.sandbox().set_faults(&json!({ "latency_ms": 500 })).await;
    // The reload cancels the request of the click.
    window.script("document.forms[0].submit(); setTimeout(() => location.reload(), 100)").await;
    let logged_in = async || (guestlist.user(ADA).await["status"] == "active").then_some(());
    window.wait_for("what was begun is ended: she is active", logged_in).await;
}

#[tokio::test]
async fn the_back_button_leads_to_no_dead_end() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    log_in_member(&window, &guestlist, ADA).await;
    window.back().await;
    window.wait_for_text("Continue").await;
    let words = window.body_text().await;
    assert!(!words.contains("in this browser"), "she is warned of herself: {words}");
    window.click("Continue").await;
    window.wait_for_heading("You’re logged in").await;
    window.wait_for_text(ADA).await;
    window.assert_no_console_errors().await;
}
