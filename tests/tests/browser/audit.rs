//! Who did what to whom, as administrators look it up, without scripts.

use guestlist_tests::browser::{Window, seen_by_browsers};
use guestlist_tests::{Guestlist, id};
use serde_json::json;

use crate::steps::{ADA, admin_comes_in, asks_and_comes_in};

async fn adds(guestlist: &Guestlist, email: &str, role: &str) {
    let body = json!({ "email": email, "role": role });
    let _ = guestlist.api().post("/v1/users", &body).await.is(201);
}

/// Waits until the newest that is told is this.
async fn tells(window: &Window, sentence: &str) {
    let what = format!("the newest is {sentence:?}");
    let newest = async || window.text("tbody td").await.filter(|said| said == sentence);
    window.until(&what, newest).await;
}

#[tokio::test]
async fn a_persons_page_leads_to_what_was_done_to_them_and_to_what_they_did() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let admin = browsers.profile_without_scripts().await;
    let _ = guestlist.member(ADA).await;
    admin_comes_in(&admin, &guestlist).await;
    admin.press(ADA).await;
    admin.is_headed(ADA).await;
    admin.press("Suspend").await;
    admin.sees("No active sessions").await;

    admin.press("actions on this user").await;
    admin.is_headed("Audit log").await;
    let ended = "admin@example.com ended a session of ada@example.com: suspended";
    tells(&admin, ended).await;
    for words in [
        "admin@example.com suspended ada@example.com",
        "ada@example.com logged in",
        "ada@example.com accepted the invitation",
        "Guestlist sent the invitation to ada@example.com",
        "API key dev invited ada@example.com",
        "127.0.0.1",
    ] {
        admin.sees(words).await;
    }
    assert_eq!(admin.value("#user").await, ADA, "the form says who it is");

    admin.press(ADA).await;
    admin.is_headed(ADA).await;
    admin.press("actions by this user").await;
    tells(&admin, "ada@example.com logged in").await;
    admin.is_quiet().await;
}

#[tokio::test]
async fn it_is_looked_through_by_address_kind_and_day() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let admin = browsers.profile_without_scripts().await;
    adds(&guestlist, ADA, "operator").await;
    admin_comes_in(&admin, &guestlist).await;
    admin.press("Audit log").await;
    tells(&admin, "admin@example.com logged in").await;
    admin.sees("API key dev added ada@example.com").await;

    admin.write("user", ADA).await;
    admin.press("Filter").await;
    tells(&admin, "API key dev added ada@example.com").await;
    assert_eq!(admin.count("tbody tr").await, 1);
    assert_eq!(admin.value("#user").await, ADA);

    admin.write("user", "nobody@example.com").await;
    admin.press("Filter").await;
    admin.sees("User: “nobody@example.com” is not the address of a user.").await;
    assert_eq!(admin.value("#user").await, "nobody@example.com");

    let audit = format!("{}/audit", guestlist.public_url);
    admin.open(&format!("{audit}?actor=&user=&kind=user_added&since=2026-01-31")).await;
    tells(&admin, "API key dev added ada@example.com").await;
    assert_eq!(admin.count("tbody tr").await, 1);
    assert_eq!(admin.value("#kind").await, "user_added");
    assert_eq!(admin.value("#since").await, "2026-01-31");
    admin.press("Clear filters").await;
    tells(&admin, "admin@example.com logged in").await;
    admin.open(&format!("{audit}?since=2100-01-01")).await;
    admin.sees("No events match.").await;
}

#[tokio::test]
async fn what_is_older_is_a_page_away() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let admin = browsers.profile_without_scripts().await;
    for n in 0..55 {
        adds(&guestlist, &format!("p{n}@example.com"), "member").await;
    }
    admin_comes_in(&admin, &guestlist).await;
    admin.open(&format!("{}/audit?kind=user_added&since=2026-01-31", guestlist.public_url)).await;
    tells(&admin, "API key dev added p54@example.com").await;
    admin.press("Older").await;
    tells(&admin, "API key dev added p4@example.com").await;
    assert_eq!(admin.count("tbody tr").await, 5);
    assert_eq!(admin.value("#kind").await, "user_added");
    assert!(!admin.words().await.contains("Older"), "there is no more");
}

#[tokio::test]
async fn it_leads_through_the_login_and_is_for_administrators() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile_without_scripts().await;
    adds(&guestlist, ADA, "operator").await;
    let path = format!("/audit?user={}", id(&guestlist.user(ADA).await));
    window.open(&format!("{}{path}", guestlist.public_url)).await;
    window.write("email", &guestlist.admin_email).await;
    asks_and_comes_in(&window, &guestlist, "Mail me a link").await;
    window.is_headed("Audit log").await;
    window.is_at(&path).await;

    let other = browsers.profile_without_scripts().await;
    other.open(&format!("{}{path}", guestlist.public_url)).await;
    other.write("email", ADA).await;
    asks_and_comes_in(&other, &guestlist, "Mail me a link").await;
    other.is_headed("Administrators only").await;
}
