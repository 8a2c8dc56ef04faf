//! Sessions as people see them: kept, left, and ended by somebody else.

use guestlist_tests::browser::seen_by_browsers;

use crate::steps::{ADA, admin_comes_in, asks_and_comes_in, member_comes_in};

const LOGIN: &str = "Mail me a link";

#[tokio::test]
async fn who_logs_out_comes_back_by_an_address_that_is_filled_in() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    member_comes_in(&window, &guestlist, ADA).await;
    window.press("Log out").await;
    window.is_headed("Log in").await;
    window.sees("You are logged out.").await;
    assert_eq!(window.value("#email").await, ADA);

    window.back().await;
    window.is_headed("Log in").await;
    asks_and_comes_in(&window, &guestlist, LOGIN).await;
    window.is_headed("You’re in").await;
    window.is_quiet().await;
}

#[tokio::test]
async fn who_is_logged_in_is_told_so_at_the_login_page() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    member_comes_in(&window, &guestlist, ADA).await;
    window.open(&format!("{}/login", guestlist.public_url)).await;
    window.sees("You are logged in as ada@example.com").await;
    window.press("Continue").await;
    window.is_headed("You’re in").await;
    window.is_quiet().await;
}

#[tokio::test]
async fn who_was_removed_is_told_on_the_next_click() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    member_comes_in(&ada, &guestlist, ADA).await;
    admin_comes_in(&admin, &guestlist).await;
    admin.press_beside(ADA, "Remove").await;
    admin.is_headed("Remove ada@example.com?").await;
    admin.press("Remove").await;
    admin.sees("No one is invited yet").await;

    ada.open(&guestlist.public_url).await;
    ada.is_headed("Log in").await;
    assert!(ada.path().await.starts_with("/login"), "{}", ada.path().await);
    assert_eq!(ada.value("#email").await, ADA);
    ada.sees("Your session was ended").await;
    ada.is_quiet().await;
    admin.is_quiet().await;
}

#[tokio::test]
async fn an_open_list_whose_session_was_ended_leads_to_the_login_page_by_itself() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let admin = browsers.profile().await;
    admin_comes_in(&admin, &guestlist).await;
    let ended = "UPDATE sessions SET ended_at = started_at + 1, end_reason = 'revoked'";
    assert_eq!(guestlist.database().run(ended).await, 1);
    admin.is_headed("Log in").await;
    assert_eq!(admin.value("#email").await, "admin@example.com");
    admin.sees("Your session was ended").await;
}

#[tokio::test]
async fn a_form_sent_after_the_session_was_ended_offers_a_link_to_the_same_person() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let admin = browsers.profile_without_scripts().await;
    admin_comes_in(&admin, &guestlist).await;
    let ended = "UPDATE sessions SET ended_at = started_at + 1, end_reason = 'revoked'";
    assert_eq!(guestlist.database().run(ended).await, 1);
    admin.write("email", ADA).await;
    admin.press("Invite").await;
    admin.sees("session was ended").await;
    assert_eq!(admin.value("#email").await, "admin@example.com", "{}", admin.words().await);
}

#[tokio::test]
async fn a_session_elsewhere_is_ended_from_here() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let (here, elsewhere) = (browsers.profile().await, browsers.profile_without_scripts().await);
    member_comes_in(&elsewhere, &guestlist, ADA).await;
    here.open(&format!("{}/sessions", guestlist.public_url)).await;
    here.is_headed("Log in").await;
    here.write("email", ADA).await;
    asks_and_comes_in(&here, &guestlist, LOGIN).await;
    here.is_headed("Your sessions").await;
    here.sees("this device").await;
    here.press("Log out all other devices").await;
    here.until("one is left", async || {
        (!here.words().await.contains("Log out all other devices")).then_some(())
    })
    .await;

    elsewhere.reload().await;
    elsewhere.is_headed("Log in").await;
    elsewhere.sees("Your session was ended").await;
    here.is_quiet().await;
}

#[tokio::test]
async fn somebody_is_suspended_and_let_in_again() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    member_comes_in(&ada, &guestlist, ADA).await;
    admin_comes_in(&admin, &guestlist).await;
    admin.press(ADA).await;
    admin.is_headed(ADA).await;
    admin.press("Suspend").await;
    admin.sees("No active sessions").await;
    ada.reload().await;
    ada.is_headed("Log in").await;

    admin.press("Reactivate").await;
    admin.sees("active").await;
    asks_and_comes_in(&ada, &guestlist, LOGIN).await;
    ada.is_headed("You’re in").await;
    admin.is_quiet().await;
}
