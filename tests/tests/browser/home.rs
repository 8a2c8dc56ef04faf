//! The home page of members and operators.

use guestlist_tests::browser::start_with_browsers;

use crate::steps::{ADA, log_in_member};

#[tokio::test]
async fn a_member_sees_their_profile_and_can_log_out() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    log_in_member(&window, &guestlist, ADA).await;
    window.wait_for_text("Address\nada@example.com").await;
    window.click("Your sessions (1)").await;
    window.wait_for_heading("Your sessions").await;
    assert_eq!(window.count("header nav a").await, 0, "members have no sections");
    window.back().await;
    window.click("Log out").await;
    window.wait_for_heading("Log in").await;
    window.wait_for_text("You are logged out.").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn the_home_page_of_operators_is_operations() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let _ = guestlist.add_user(ADA, "operator").await;
    window.open(&format!("{}/login", guestlist.public_url)).await;
    window.fill("email", ADA).await;
    window.click("Mail me a link").await;
    let mail = guestlist.sandbox().nth_email(ADA, 1).await;
    window.open(&mail.url).await;
    window.click("Continue").await;
    window.wait_for_path("/ops").await;
}
