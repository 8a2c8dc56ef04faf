//! The list of people, and the page of each.

use guestlist_tests::browser::{Window, start_with_browsers};
use guestlist_tests::{Guestlist, id};
use serde_json::json;

use crate::steps::{ADA, log_in_admin, log_in_by_link, log_in_member};

const BOB: &str = "bob@example.com";
const EVE: &str = "eve@example.com";

/// Returns the addresses and names in the list, in its order.
async fn people(window: &Window) -> Vec<String> {
    let script =
        "return [...document.querySelectorAll('tbody .lead-cell a')].map(a => a.innerText)";
    let names = window.script(script).await;
    names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

async fn wait_for_people(window: &Window, expected: &[&str]) {
    let what = format!("the list shows {expected:?}");
    window.wait_for(&what, async || (people(window).await == expected).then_some(())).await;
}

async fn add(guestlist: &Guestlist, email: &str, name: Option<&str>, role: &str) {
    let body = json!({ "email": email, "name": name, "role": role });
    let _ = guestlist.api().post("/v1/users", &body).await.is(201);
}

#[tokio::test]
async fn people_are_found_by_status_role_address_and_name() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    log_in_admin(&admin, &guestlist).await;
    add(&guestlist, ADA, Some("Ada Lovelace"), "member").await;
    add(&guestlist, BOB, None, "operator").await;
    let _ = guestlist.invite_and_mail(EVE).await;
    admin.reload().await;
    wait_for_people(&admin, &[EVE, BOB, "Ada Lovelace", "admin@example.com"]).await;

    admin.click("Invited").await;
    admin.wait_for_path("/?status=invited").await;
    wait_for_people(&admin, &[EVE]).await;
    admin.click("Active").await;
    wait_for_people(&admin, &[BOB, "Ada Lovelace", "admin@example.com"]).await;
    admin.fill("q", "LOVE").await;
    admin.click("Search").await;
    admin.wait_for_text("Nobody matches").await;
    admin.fill("q", "ada l").await;
    admin.click("Search").await;
    wait_for_people(&admin, &["Ada Lovelace"]).await;
    admin.fill("q", "zzz").await;
    admin.click("Search").await;
    admin.wait_for_text("Nobody matches").await;
    admin.click("Show everybody").await;
    admin.wait_for_path("/").await;
    admin.open(&format!("{}/?role=operator", guestlist.public_url)).await;
    wait_for_people(&admin, &[BOB]).await;
    assert_eq!(admin.value("#by-role").await, "operator");
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_long_list_has_pages() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    log_in_admin(&admin, &guestlist).await;
    for n in 0..52 {
        add(&guestlist, &format!("guest{n:02}@example.com"), None, "member").await;
    }
    admin.reload().await;
    admin.wait_for_text("guest51@example.com").await;
    assert_eq!(people(&admin).await.len(), 50);
    admin.click("Older").await;
    wait_for_people(&admin, &["guest01@example.com", "guest00@example.com", "admin@example.com"])
        .await;
    admin.click("First page").await;
    admin.wait_for_path("/").await;
    admin.wait_for_text("guest51@example.com").await;
}

#[tokio::test]
async fn the_row_of_an_invited_person_says_how_far_the_invitation_is() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    log_in_admin(&admin, &guestlist).await;
    let (invitation, mail) = guestlist.invite_and_mail(ADA).await;
    admin.wait_for_row_status(ADA, "sent").await;
    admin.wait_for_row_status(ADA, "Invited").await;
    let change = |set: &str| format!("UPDATE invitations SET {set} WHERE email = '{ADA}'");
    let error = "status = 'failed', last_error_code = 'invalid_email', \
                 last_error_message = 'Stytch refused the address', last_error_at = created_at";
    let _ = guestlist.database().execute(&change(error)).await;
    admin.wait_for_row_status(ADA, "not sent: Stytch refused the address").await;
    let link = format!("td.state a[href='/invitations/{}']", id(&invitation));
    assert_eq!(admin.count(&link).await, 1);
    let _ = guestlist.database().execute(&change("status = 'expired'")).await;
    admin.wait_for_row_status(ADA, "invitation expired").await;
    let _ = guestlist.database().execute(&change("status = 'sent'")).await;
    log_in_by_link(&ada, &mail).await;
    admin.wait_for_row_status(ADA, "Active").await;
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_refused_invitation_keeps_the_address_and_leads_to_what_is_in_its_way() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    log_in_admin(&admin, &guestlist).await;
    add(&guestlist, ADA, None, "member").await;
    admin.reload().await;
    admin.fill("email", ADA).await;
    admin.click("Invite").await;
    admin.wait_for_text("The address belongs to a user already.").await;
    assert_eq!(admin.value("#email").await, ADA);
    admin.click("Show the person").await;
    admin.wait_for_path(&format!("/users/{}", id(&guestlist.user(ADA).await))).await;
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn a_persons_page_shows_sessions_invitations_and_activity() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    log_in_member(&ada, &guestlist, ADA).await;
    log_in_admin(&admin, &guestlist).await;
    admin.click(ADA).await;
    admin.wait_for_text("Chrome on Linux").await;
    let page = admin.path().await;
    let activity = "section:has(a[href^='/audit']) tbody";
    let words = admin.text(activity).await.unwrap();
    assert!(words.contains("ada@example.com accepted the invitation"), "{words}");
    assert_eq!(admin.count("section[data-live=invitations] tbody tr").await, 1);

    let role = "document.querySelector('#role').value = 'operator'";
    admin.script(role).await;
    admin.click("Change role").await;
    admin.wait_for_text("changed the role of ada@example.com from member to operator").await;
    admin.click("End the session").await;
    admin.wait_for_text("No active sessions.").await;
    assert_eq!(admin.path().await, page);
    ada.reload().await;
    ada.wait_for_heading("Your session has ended").await;
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn an_administrators_own_page_says_what_they_cannot_do() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    log_in_admin(&admin, &guestlist).await;
    admin.click("admin@example.com").await;
    admin.wait_for_text("This is your account.").await;
    assert_eq!(admin.count("main form").await, 0);
    let page = admin.path().await;
    admin.open(&format!("{}{page}/remove", guestlist.public_url)).await;
    admin.wait_for_path(&page).await;
}

#[tokio::test]
async fn the_page_that_asks_before_a_removal_says_what_will_happen() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    add(&guestlist, ADA, Some("Ada"), "admin").await;
    for _ in 0..2 {
        let _ = guestlist.log_in(ADA).await;
    }
    log_in_admin(&admin, &guestlist).await;
    admin.click("Ada").await;
    admin.click("Remove…").await;
    admin.wait_for_heading("Remove Ada?").await;
    admin.wait_for_text("All 2 sessions end immediately").await;
    admin.wait_for_text("deleted here and at Stytch").await;
    assert_eq!(admin.count("main form").await, 1);
    admin.click("Cancel").await;
    admin.wait_for_text("Danger zone").await;
    assert_eq!(guestlist.user(ADA).await["status"], "active");
}
