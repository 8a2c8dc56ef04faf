//! The quick start of the README, in two browsers.

use guestlist_tests::Guestlist;
use guestlist_tests::browser::{WebDriver, Window, start_with_browsers};

use crate::steps::{ADA, log_in_admin};

#[tokio::test]
async fn the_quick_start_works_in_browsers() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    open_empty_list(&admin, &guestlist).await;

    invite_ada(&admin).await;
    admin.mark_document().await;
    admin.wait_for_row_status(ADA, "sent").await;
    assert!(admin.has_mark().await, "the list reloaded the page");

    open_invitation(&ada, &guestlist).await;
    accept_invitation(&ada).await;
    admin.wait_for_row_status(ADA, "Active").await;
    assert!(admin.has_mark().await, "the list reloaded the page");
    for window in [admin, ada] {
        window.assert_no_console_errors().await;
    }
}

#[tokio::test]
async fn the_quick_start_works_without_scripts() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (admin, ada) = without_scripts(&browsers).await;
    open_empty_list(&admin, &guestlist).await;

    invite_ada(&admin).await;
    // Without scripts the page reloads itself while an invitation is pending.
    admin.wait_for_row_status(ADA, "sent").await;

    open_invitation(&ada, &guestlist).await;
    // As at Stytch, the link opens a page that redirects by script.
    ada.click("Continue").await;
    accept_invitation(&ada).await;
    admin.reload().await;
    admin.wait_for_row_status(ADA, "Active").await;
    for window in [admin, ada] {
        window.assert_no_console_errors().await;
    }
}

async fn without_scripts(browsers: &WebDriver) -> (Window, Window) {
    let pair = (browsers.profile_without_scripts().await, browsers.profile_without_scripts().await);
    pair.0.open("data:text/html,<noscript>No scripts here</noscript>").await;
    pair.0.wait_for_text("No scripts here").await;
    pair
}

async fn open_empty_list(admin: &Window, guestlist: &Guestlist) {
    log_in_admin(admin, guestlist).await;
    admin.wait_for_path("/").await;
    admin.wait_for_text("Invite the first person").await;
    assert_eq!(admin.count("input:not([type=hidden])").await, 1);
}

async fn invite_ada(admin: &Window) {
    admin.fill("email", ADA).await;
    admin.click("Invite").await;
    admin.wait_for_text(ADA).await;
    admin.wait_for_path("/").await;
    assert_eq!(admin.value("#email").await, "", "the field is free for the next");
}

async fn open_invitation(ada: &Window, guestlist: &Guestlist) {
    ada.open(&format!("{}/inbox", guestlist.sandbox_url)).await;
    ada.click_in_row(ADA, "Accept invitation").await;
}

async fn accept_invitation(ada: &Window) {
    ada.wait_for_heading("You are invited to Guestlist").await;
    ada.click("Continue").await;
    ada.wait_for_heading("You’re logged in").await;
    ada.wait_for_path("/").await;
    ada.wait_for_text(ADA).await;
}
