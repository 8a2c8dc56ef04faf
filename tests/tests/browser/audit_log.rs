//! The page of the audit log, without scripts.

use guestlist_tests::browser::{Window, start_with_browsers};
use guestlist_tests::{Guestlist, id};

use crate::steps::{ADA, log_in_admin, log_in_by_form};

async fn add_user(guestlist: &Guestlist, email: &str, role: &str) {
    let _ = guestlist.add_user(email, role).await;
}

/// Waits until the newest event has this sentence.
async fn wait_for_newest(window: &Window, sentence: &str) {
    let what = format!("the newest is {sentence:?}");
    let newest = async || window.text("tbody td.wide").await.filter(|output| output == sentence);
    window.wait_for(&what, newest).await;
}

#[tokio::test]
async fn a_users_page_links_to_their_audit_events() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile_without_scripts().await;
    let _ = guestlist.member(ADA).await;
    log_in_admin(&admin, &guestlist).await;
    admin.click(ADA).await;
    admin.wait_for_text("Danger zone").await;
    admin.click("Suspend").await;
    admin.wait_for_text("No active sessions").await;

    admin.click("done to ada@example.com").await;
    admin.wait_for_heading("Audit log").await;
    let ended = "admin@example.com ended a session of ada@example.com: suspended";
    wait_for_newest(&admin, ended).await;
    for words in [
        "admin@example.com suspended ada@example.com",
        "ada@example.com logged in",
        "ada@example.com accepted the invitation",
        "Guestlist sent the invitation to ada@example.com",
        "API key dev invited ada@example.com",
        "127.0.0.1",
    ] {
        admin.wait_for_text(words).await;
    }
    assert_eq!(admin.value("#user").await, ADA, "the form says who it is");

    admin.click(ADA).await;
    admin.click("done by ada@example.com").await;
    wait_for_newest(&admin, "ada@example.com logged in").await;
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn the_audit_log_is_filtered_by_address_kind_and_day() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile_without_scripts().await;
    add_user(&guestlist, ADA, "operator").await;
    log_in_admin(&admin, &guestlist).await;
    admin.click("Audit log").await;
    wait_for_newest(&admin, "admin@example.com logged in").await;
    admin.wait_for_text("API key dev added ada@example.com").await;

    admin.fill("user", ADA).await;
    admin.click("Filter").await;
    wait_for_newest(&admin, "API key dev added ada@example.com").await;
    assert_eq!(admin.count("tbody td.wide").await, 1);
    assert_eq!(admin.value("#user").await, ADA);

    admin.fill("user", "nobody@example.com").await;
    admin.click("Filter").await;
    admin.wait_for_text("User: “nobody@example.com” is not the address of a user.").await;
    assert_eq!(admin.value("#user").await, "nobody@example.com");

    let audit = format!("{}/audit", guestlist.public_url);
    admin.open(&format!("{audit}?actor=&user=&kind=user_added&since=2026-01-31")).await;
    wait_for_newest(&admin, "API key dev added ada@example.com").await;
    assert_eq!(admin.count("tbody td.wide").await, 1);
    assert_eq!(admin.value("#kind").await, "user_added");
    assert_eq!(admin.value("#since").await, "2026-01-31");
    admin.click("Clear filters").await;
    wait_for_newest(&admin, "admin@example.com logged in").await;
    admin.open(&format!("{audit}?since=2100-01-01")).await;
    admin.wait_for_text("No events match.").await;
}

#[tokio::test]
async fn the_audit_log_is_paged() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile_without_scripts().await;
    for n in 0..55 {
        add_user(&guestlist, &format!("p{n}@example.com"), "member").await;
    }
    log_in_admin(&admin, &guestlist).await;
    admin.open(&format!("{}/audit?kind=user_added&since=2026-01-31", guestlist.public_url)).await;
    wait_for_newest(&admin, "API key dev added p54@example.com").await;
    admin.click("Older").await;
    wait_for_newest(&admin, "API key dev added p4@example.com").await;
    assert_eq!(admin.count("tbody td.wide").await, 5);
    assert_eq!(admin.value("#kind").await, "user_added");
    assert!(!admin.body_text().await.contains("Older"), "there is no more");
}

#[tokio::test]
async fn the_audit_log_requires_an_administrator() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile_without_scripts().await;
    add_user(&guestlist, ADA, "operator").await;
    let path = format!("/audit?user={}", id(&guestlist.user(ADA).await));
    window.open(&format!("{}{path}", guestlist.public_url)).await;
    window.fill("email", &guestlist.admin_email).await;
    log_in_by_form(&window, &guestlist, "Mail me a link").await;
    window.wait_for_heading("Audit log").await;
    window.wait_for_path(&path).await;

    let other = browsers.profile_without_scripts().await;
    other.open(&format!("{}{path}", guestlist.public_url)).await;
    other.fill("email", ADA).await;
    log_in_by_form(&other, &guestlist, "Mail me a link").await;
    other.wait_for_heading("You may not do this").await;
}
