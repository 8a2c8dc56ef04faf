//! The pages of failed links, which give the reason and offer a new link.

use guestlist_tests::browser::{WebDriver, Window, start_setup_with_browsers, start_with_browsers};
use guestlist_tests::{Engine, Guestlist, id};
use serde_json::json;

use crate::steps::{ADA, log_in_by_form, log_in_member};

const WEEK: i64 = 7 * 24 * 3600;
const NEW_LINK: &str = "Mail me a new link";
/// The button of pages whose user can't have a link at the moment.
const LINK: &str = "Mail me a link";

/// Asserts the heading, and that the page has one form with this address and no link.
async fn assert_page(window: &Window, headline: &str, email: &str) {
    window.wait_for_heading(headline).await;
    assert_eq!(window.title().await, format!("{headline} · Guestlist"));
    assert_eq!(window.count("main form").await, 1, "one way on");
    assert_eq!(window.count("main a").await, 0, "one way on");
    assert_eq!(window.value("#email").await, email);
    window.assert_no_console_errors().await;
}

/// Asserts the heading, and that the page has no form, since no link can be mailed, and one link, to
/// the login page. Follows it.
async fn log_in_from_page(window: &Window, headline: &str) {
    window.wait_for_heading(headline).await;
    assert_eq!(window.title().await, format!("{headline} · Guestlist"));
    assert_eq!(window.count("main form").await, 0, "one way on");
    assert_eq!(window.count("main a").await, 1, "one way on");
    window.assert_no_console_errors().await;
    window.click("Log in").await;
    window.wait_for_heading("Log in").await;
    window.fill("email", ADA).await;
}

#[tokio::test]
async fn a_used_link_offers_a_new_one() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (phone, laptop) = (browsers.profile().await, browsers.profile().await);
    let mail = log_in_member(&phone, &guestlist, ADA).await;
    laptop.open(&mail.url).await;
    laptop.click("Continue").await;
    assert_page(&laptop, "This link has been used", ADA).await;
    laptop.wait_for_text("ada@example.com logged in with it").await;
    log_in_by_form(&laptop, &guestlist, NEW_LINK).await;
    laptop.wait_for_heading("You’re logged in").await;
    laptop.assert_no_console_errors().await;
}

#[tokio::test]
async fn an_expired_link_offers_a_new_one() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    guestlist.sandbox().advance_clock(WEEK + 60).await;
    window.open(&mail.url).await;
    window.click("Continue").await;
    // The clock is set back only after the response.
    window.wait_for_heading("This link has expired").await;
    guestlist.sandbox().advance_clock(-WEEK - 60).await;
    assert_page(&window, "This link has expired", "").await;
    window.fill("email", ADA).await;
    log_in_by_form(&window, &guestlist, NEW_LINK).await;
    window.wait_for_heading("You’re logged in").await;
}

#[tokio::test]
async fn a_truncated_link_offers_a_new_one() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let (invitation, mail) = guestlist.invite_and_mail(ADA).await;
    let page = format!("{}/authenticate?invitation={}", guestlist.public_url, id(&invitation));
    window.open(&format!("{page}&token={}", &mail.token[..12])).await;
    assert_page(&window, "This link does not work", "").await;
    // A token of valid length is checked by Stytch.
    window.open(&format!("{page}&token={}", &mail.token[..36])).await;
    window.click("Continue").await;
    assert_page(&window, "This link does not work", "").await;
    window.fill("email", ADA).await;
    log_in_by_form(&window, &guestlist, NEW_LINK).await;
    window.wait_for_heading("You’re logged in").await;

    // Without a token the page has no Continue button.
    let other = browsers.profile().await;
    other.open(&format!("{}/authenticate", guestlist.public_url)).await;
    assert_page(&other, "This link does not work", "").await;
    other.fill("email", ADA).await;
    log_in_by_form(&other, &guestlist, NEW_LINK).await;
    other.wait_for_heading("You’re logged in").await;
}

#[tokio::test]
async fn a_revoked_invitations_page_offers_a_link_only_after_a_new_invitation() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let (invitation, mail) = guestlist.invite_and_mail(ADA).await;
    guestlist.revoke(&invitation).await;
    window.open(&mail.url).await;
    log_in_from_page(&window, "This invitation was revoked").await;
    window.click(LINK).await;
    window.wait_for_heading("Check your mail").await;
    guestlist.wait_for_jobs().await;
    assert_eq!(guestlist.sandbox().emails(ADA).await.len(), 1, "what was taken back stays so");

    let _ = guestlist.invite_and_mail(ADA).await;
    window.open(&mail.url).await;
    log_in_from_page(&window, "This invitation was revoked").await;
    log_in_by_form(&window, &guestlist, LINK).await;
    window.wait_for_heading("You’re logged in").await;
}

#[tokio::test]
async fn a_suspended_user_sees_why_the_login_failed() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let _ = guestlist.member(ADA).await;
    let _ = guestlist.api().post("/v1/login", &json!({ "email": ADA })).await.is(202);
    let mail = guestlist.sandbox().nth_email(ADA, 2).await;
    let set = |status| format!("UPDATE users SET status = '{status}' WHERE email = '{ADA}'");
    let _ = guestlist.database().execute(&set("suspended")).await;
    window.open(&mail.url).await;
    window.click("Continue").await;
    let _ = guestlist.database().execute(&set("active")).await;
    log_in_from_page(&window, "This account is suspended").await;
    log_in_by_form(&window, &guestlist, LINK).await;
    window.wait_for_heading("You’re logged in").await;
}

/// Opens the page for a user who has an identity at Stytch and no invitation.
async fn open_uninvited() -> Option<(WebDriver, Guestlist, Window)> {
    let (browsers, guestlist) =
        start_setup_with_browsers(Guestlist::split(Engine::Sqlite).workers(1)).await?;
    let window = browsers.profile().await;
    let made = "/v1/magic_links/email/login_or_create";
    let redirect = format!("{}/authenticate", guestlist.public_url);
    let body = json!({
        "email": ADA, "login_magic_link_url": redirect, "signup_magic_link_url": redirect,
    });
    let _ = guestlist.stytch_api().post(made, &body).await.is(200);
    window.open(&guestlist.sandbox().nth_email(ADA, 1).await.url).await;
    window.click("Continue").await;
    Some((browsers, guestlist, window))
}

#[tokio::test]
async fn an_uninvited_user_sees_why_the_login_failed_and_receives_no_mail() {
    let Some((_browsers, guestlist, window)) = open_uninvited().await else { return };
    log_in_from_page(&window, "You are not invited").await;
    window.click(LINK).await;
    window.wait_for_heading("Check your mail").await;
    guestlist.wait_for_jobs().await;
    assert_eq!(guestlist.sandbox().emails(ADA).await.len(), 1);
}

#[tokio::test]
async fn an_uninvited_user_can_log_in_after_an_invitation() {
    let Some((_browsers, guestlist, window)) = open_uninvited().await else { return };
    let _ = guestlist.invite_and_mail(ADA).await;
    log_in_from_page(&window, "You are not invited").await;
    log_in_by_form(&window, &guestlist, LINK).await;
    window.wait_for_heading("You’re logged in").await;
}

#[tokio::test]
async fn the_page_of_an_expired_link_says_when_it_expired() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    guestlist.sandbox().advance_clock(WEEK + 60).await;
    let past = format!("UPDATE invitations SET expires_at = created_at + 1 WHERE email = '{ADA}'");
    let _ = guestlist.database().execute(&past).await;
    window.open(&mail.url).await;
    window.click("Continue").await;
    window.wait_for_heading("This link has expired").await;
    window.wait_for_text("It worked until").await;
}
