//! Logging out, and sessions that were ended elsewhere.

use guestlist_tests::browser::start_with_browsers;
use guestlist_tests::id;

use crate::steps::{ADA, log_in_admin, log_in_by_form, log_in_member};

const LOGIN: &str = "Mail me a link";

#[tokio::test]
async fn the_login_form_is_prefilled_after_logging_out() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    log_in_member(&window, &guestlist, ADA).await;
    window.click("Log out").await;
    window.wait_for_heading("Log in").await;
    window.wait_for_text("You are logged out.").await;
    assert_eq!(window.value("#email").await, ADA);

    window.back().await;
    window.wait_for_heading("Log in").await;
    log_in_by_form(&window, &guestlist, LOGIN).await;
    window.wait_for_heading("You’re logged in").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn the_login_page_names_the_logged_in_user() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    log_in_member(&window, &guestlist, ADA).await;
    window.open(&format!("{}/login", guestlist.public_url)).await;
    window.wait_for_text("You are logged in as ada@example.com").await;
    window.click("Continue").await;
    window.wait_for_heading("You’re logged in").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_removed_user_sees_why_on_the_next_click() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    log_in_member(&ada, &guestlist, ADA).await;
    log_in_admin(&admin, &guestlist).await;
    admin.click(ADA).await;
    admin.wait_for_heading("ada@example.com\nActive").await;
    admin.click("Remove…").await;
    admin.wait_for_heading("Remove ada@example.com?").await;
    admin.wait_for_text("The session ends immediately").await;
    admin.click("Remove ada@example.com").await;
    admin
        .wait_for("her row is gone", async || {
            (!admin.body_text().await.contains(ADA)).then_some(())
        })
        .await;

    ada.open(&guestlist.public_url).await;
    ada.wait_for_heading("Your session has ended").await;
    assert!(ada.path().await.starts_with("/login"), "{}", ada.path().await);
    assert_eq!(ada.value("#email").await, ADA);
    ada.assert_no_console_errors().await;
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn an_open_list_says_that_its_session_has_ended() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    log_in_admin(&admin, &guestlist).await;
    let ended = "UPDATE sessions SET ended_at = started_at + 1, end_reason = 'revoked'";
    assert_eq!(guestlist.database().execute(ended).await, 1);
    admin.wait_for_text("Your session has ended.").await;
    assert_eq!(admin.path().await, "/");
}

#[tokio::test]
async fn a_form_of_an_ended_session_is_kept_and_sent_after_logging_in_again() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    log_in_admin(&admin, &guestlist).await;
    // Only the form itself notices the end.
    admin.script("localStorage.setItem('live', 'paused')").await;
    admin.reload().await;
    admin.fill("email", ADA).await;
    let me = guestlist.user("admin@example.com").await;
    let sessions = format!("/v1/users/{}/sessions", id(&me));
    let _ = guestlist.api().delete(&sessions).await.is(204);
    admin.click("Invite").await;
    admin.wait_for_text("this page keeps what you typed").await;
    assert_eq!(admin.value("#email").await, ADA);
    assert_eq!(guestlist.users().await.len(), 1, "nothing was sent");

    let page = admin.current_tab().await;
    admin.click("Log in again in a new tab").await;
    let login = admin.newest_tab().await;
    admin.switch_to(&login).await;
    admin.wait_for_heading("Log in").await;
    log_in_by_form(&admin, &guestlist, LOGIN).await;
    admin.wait_for_heading("People").await;
    admin.switch_to(&page).await;
    // Looking at the tab again clears the notice.
    admin
        .wait_for("the notice is gone", async || {
            (!admin.body_text().await.contains("Your session has ended")).then_some(())
        })
        .await;
    assert_eq!(admin.value("#email").await, ADA);
    admin.script("localStorage.setItem('live', 'on')").await;
    admin.click("Invite").await;
    admin.wait_for_row_status(ADA, "sent").await;
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_form_sent_after_the_session_ended_offers_a_login_link() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile_without_scripts().await;
    log_in_admin(&admin, &guestlist).await;
    let ended = "UPDATE sessions SET ended_at = started_at + 1, end_reason = 'revoked'";
    assert_eq!(guestlist.database().execute(ended).await, 1);
    admin.fill("email", ADA).await;
    admin.click("Invite").await;
    admin.wait_for_heading("Your session has ended").await;
    admin.wait_for_text("Nothing was changed").await;
    assert_eq!(admin.value("#email").await, "admin@example.com", "{}", admin.body_text().await);
}

#[tokio::test]
async fn a_user_ends_the_sessions_of_other_browsers() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (here, elsewhere) = (browsers.profile().await, browsers.profile_without_scripts().await);
    log_in_member(&elsewhere, &guestlist, ADA).await;
    here.open(&format!("{}/sessions", guestlist.public_url)).await;
    here.wait_for_heading("Log in").await;
    here.fill("email", ADA).await;
    log_in_by_form(&here, &guestlist, LOGIN).await;
    here.wait_for_heading("Your sessions").await;
    here.wait_for_text("This device").await;
    here.click("Log out all other devices").await;
    here.wait_for("one is left", async || {
        (!here.body_text().await.contains("Log out all other devices")).then_some(())
    })
    .await;

    elsewhere.reload().await;
    elsewhere.wait_for_heading("Your session has ended").await;
    here.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_user_is_suspended_and_reactivated() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    log_in_member(&ada, &guestlist, ADA).await;
    log_in_admin(&admin, &guestlist).await;
    admin.click(ADA).await;
    admin.wait_for_heading("ada@example.com\nActive").await;
    admin.click("Suspend").await;
    admin.wait_for_heading("ada@example.com\nSuspended").await;
    admin.wait_for_text("No active sessions").await;
    ada.reload().await;
    ada.wait_for_heading("Your session has ended").await;

    admin.click("Reactivate").await;
    admin.wait_for_heading("ada@example.com\nActive").await;
    log_in_by_form(&ada, &guestlist, LOGIN).await;
    ada.wait_for_heading("You’re logged in").await;
    admin.assert_no_console_errors().await;
}
