//! The login page, and the page after it.

use guestlist_tests::browser::{start_setup_with_browsers, start_with_browsers};
use guestlist_tests::{Engine, Guestlist};

use crate::steps::ADA;

const LOGIN: &str = "Mail me a link";

#[tokio::test]
async fn the_page_that_waits_for_a_link_continues_in_the_same_browser() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let _ = guestlist.member(ADA).await;
    let window = browsers.profile().await;
    window.open(&format!("{}/login?return_to=%2Fsessions", guestlist.public_url)).await;
    window.wait_for_text("The link takes you back to").await;
    window.fill("email", ADA).await;
    window.click(LOGIN).await;
    window.wait_for_text("This page continues by itself").await;
    let waiting = window.current_tab().await;
    let mail = guestlist.sandbox().nth_email(ADA, 2).await;
    window.open_tab().await;
    window.open(&mail.url).await;
    window.click("Continue").await;
    window.wait_for_path("/sessions").await;
    window.switch_to(&waiting).await;
    window.wait_for_path("/sessions").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn without_scripts_the_page_does_not_claim_to_continue() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile_without_scripts().await;
    window.open(&format!("{}/login", guestlist.public_url)).await;
    window.fill("email", ADA).await;
    window.click(LOGIN).await;
    window.wait_for_heading("Check your mail").await;
    assert!(!window.body_text().await.contains("continues by itself"));
    window.click("Use another address").await;
    window.wait_for_heading("Log in").await;
}

#[tokio::test]
async fn too_many_requests_say_when_to_try_again() {
    let setup = Guestlist::dev(Engine::Sqlite).env("LOGIN_LIMIT_PER_ADDRESS", "1/h");
    let Some((browsers, guestlist)) = start_setup_with_browsers(setup).await else { return };
    let window = browsers.profile().await;
    window.open(&format!("{}/login?return_to=%2Fsessions", guestlist.public_url)).await;
    window.fill("email", ADA).await;
    window.click(LOGIN).await;
    window.wait_for_heading("Check your mail").await;
    window.click("Send it again").await;
    window.wait_for_text("Too many requests. Try again in 60 minutes.").await;
    assert_eq!(window.value("#email").await, ADA);
    assert_eq!(window.value("[name=return_to]").await, "/sessions");
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn an_address_that_is_not_one_is_refused_and_kept() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    window.open(&format!("{}/login", guestlist.public_url)).await;
    window.script("document.forms[0].noValidate = true").await;
    window.fill("email", "ada at example").await;
    window.click(LOGIN).await;
    window.wait_for("it is refused", async || window.text("[role=alert]").await).await;
    assert_eq!(window.value("#email").await, "ada at example");
    assert_eq!(window.count("#email[aria-invalid=true][aria-describedby=error]").await, 1);
}

#[tokio::test]
async fn only_pages_for_operators_offer_to_use_an_api_key() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    for (return_to, expected) in [("%2Fops%2Fjobs", 1), ("%2Fsessions", 0)] {
        window.open(&format!("{}/login?return_to={return_to}", guestlist.public_url)).await;
        assert_eq!(window.count("main a[href='/ops/key']").await, expected, "{return_to}");
    }
}
