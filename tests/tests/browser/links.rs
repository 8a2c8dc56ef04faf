//! The page with the button.

use guestlist_tests::browser::seen_by_browsers;
use serde_json::json;

use crate::steps::{ADA, admin_comes_in, member_comes_in};

#[tokio::test]
async fn continue_on_a_used_link_just_goes_on_for_who_is_in_already() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    let mail = member_comes_in(&window, &guestlist, ADA).await;
    window.open(&mail.url).await;
    window.press("Continue").await;
    window.is_headed("You’re in").await;
    window.is_quiet().await;
}

#[tokio::test]
async fn the_page_says_who_else_is_logged_in_and_lets_them_stay() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    admin_comes_in(&window, &guestlist).await;
    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    window.open(&mail.url).await;
    window.is_headed("You are invited").await;
    window.sees("You are logged in as admin@example.com in this browser").await;
    window.press("Stay logged in as admin@example.com").await;
    window.is_headed("People").await;
    window.row_says(ADA, "sent").await;

    window.open(&mail.url).await;
    window.press("Continue").await;
    window.is_headed("You’re in").await;
    window.sees(ADA).await;
    window.is_quiet().await;
}

#[tokio::test]
async fn a_login_link_of_ones_own_does_not_warn_of_oneself() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    admin_comes_in(&window, &guestlist).await;
    window.open(guestlist.login_url.as_ref().unwrap()).await;
    window.until("the page is there", async || window.text("main").await).await;
    let words = window.words().await;
    assert!(!words.contains("in this browser"), "she is warned of herself: {words}");
}

#[tokio::test]
async fn a_double_click_on_continue_comes_in() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let mut landed = Vec::new();
    // As quick as a machine and as slow as a hand; Stytch at once, and not quite so.
    for (n, (pause, latency)) in [(0, 0), (0, 300), (120, 0), (120, 300)].into_iter().enumerate() {
        let window = browsers.profile().await;
        let (_, mail) = guestlist.invite_and_mail(&format!("guest{n}@example.com")).await;
        window.open(&mail.url).await;
        guestlist.stytch().faults(&json!({ "latency_ms": latency })).await;
        let click = "const b = document.querySelector('main button'); b.click();";
        window.script(&format!("{click} setTimeout(() => b.click(), {pause})")).await;
        let page = window.until("it is answered", async || {
            window.text("h1").await.filter(|headline| headline != "You are invited")
        });
        landed.push((pause, latency, page.await));
        guestlist.stytch().heal().await;
    }
    assert!(landed.iter().all(|(_, _, page)| page == "You’re in"), "{landed:?}");
}

#[tokio::test]
async fn a_link_pressed_by_a_browser_that_went_away_is_not_lost() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    window.open(&mail.url).await;
    guestlist.stytch().faults(&json!({ "latency_ms": 500 })).await;
    // Pressed, and stopped by the next thing that the person does.
    window.script("document.forms[0].submit(); setTimeout(() => location.reload(), 100)").await;
    let came_in = async || (guestlist.user(ADA).await["status"] == "active").then_some(());
    window.until("what was begun is ended: she is active", came_in).await;
}

#[tokio::test]
async fn the_back_button_leads_to_no_dead_end() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    member_comes_in(&window, &guestlist, ADA).await;
    window.back().await;
    window.sees("Continue").await;
    let words = window.words().await;
    assert!(!words.contains("in this browser"), "she is warned of herself: {words}");
    window.press("Continue").await;
    window.is_headed("You’re in").await;
    window.sees(ADA).await;
    window.is_quiet().await;
}
