//! A link that fails says why, and its page has one way to a new one, which works.

use guestlist_tests::browser::{Browsers, Window, seen_as, seen_by_browsers};
use guestlist_tests::{Engine, Guestlist, id};
use serde_json::json;

use crate::steps::{ADA, admin_comes_in, asks_and_comes_in, comes_in_by, member_comes_in};

const WEEK: i64 = 7 * 24 * 3600;
const NEW_LINK: &str = "Mail me a new link";

/// What the page says, and the address that its one form is filled with.
async fn says(window: &Window, headline: &str, email: &str) {
    window.is_headed(headline).await;
    assert_eq!(window.title().await, format!("{headline} · Guestlist"));
    assert_eq!(window.count("main form").await, 1, "one way on");
    assert_eq!(window.count("main a").await, 0, "one way on");
    assert_eq!(window.value("#email").await, email);
    window.is_quiet().await;
}

#[tokio::test]
async fn a_used_link_offers_a_new_one_to_whom_it_was_for() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let (phone, laptop) = (browsers.profile().await, browsers.profile().await);
    let mail = member_comes_in(&phone, &guestlist, ADA).await;
    laptop.open(&mail.url).await;
    laptop.press("Continue").await;
    says(&laptop, "This link has been used", ADA).await;
    asks_and_comes_in(&laptop, &guestlist, NEW_LINK).await;
    laptop.is_headed("You’re in").await;
    laptop.is_quiet().await;
}

#[tokio::test]
async fn an_expired_link_offers_a_new_one() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    guestlist.stytch().advance_clock(WEEK + 60).await;
    window.open(&mail.url).await;
    window.press("Continue").await;
    // A press is answered when it is, and the clock must not go back before.
    window.is_headed("This link has expired").await;
    guestlist.stytch().advance_clock(-WEEK - 60).await;
    says(&window, "This link has expired", "").await;
    window.write("email", ADA).await;
    asks_and_comes_in(&window, &guestlist, NEW_LINK).await;
    window.is_headed("You’re in").await;
}

#[tokio::test]
async fn a_link_that_was_cut_off_offers_a_new_one() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    let (invitation, mail) = guestlist.invite_and_mail(ADA).await;
    let page = format!("{}/authenticate?invitation={}", guestlist.public_url, id(&invitation));
    window.open(&format!("{page}&token={}", &mail.token[..12])).await;
    says(&window, "This link does not work", "").await;
    // Long enough to be one, and so it is Stytch who knows.
    window.open(&format!("{page}&token={}", &mail.token[..36])).await;
    window.press("Continue").await;
    says(&window, "This link does not work", "").await;
    window.write("email", ADA).await;
    asks_and_comes_in(&window, &guestlist, NEW_LINK).await;
    window.is_headed("You’re in").await;

    // Without any token there is nothing to press.
    let other = browsers.profile().await;
    other.open(&format!("{}/authenticate", guestlist.public_url)).await;
    says(&other, "This link does not work", "").await;
    other.write("email", ADA).await;
    asks_and_comes_in(&other, &guestlist, NEW_LINK).await;
    other.is_headed("You’re in").await;
}

#[tokio::test]
async fn a_revoked_invitation_says_so_and_its_way_on_opens_with_a_new_invitation() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    let (invitation, mail) = guestlist.invite_and_mail(ADA).await;
    let revoke = format!("/v1/invitations/{}/revoke", id(&invitation));
    let _ = guestlist.api().post_nothing(&revoke).await.is(200);
    window.open(&mail.url).await;
    says(&window, "This invitation was revoked", "").await;
    window.write("email", ADA).await;
    window.press(NEW_LINK).await;
    window.is_headed("Check your mail").await;
    guestlist.settled().await;
    assert_eq!(guestlist.stytch().emails(ADA).await.len(), 1, "what was taken back stays so");

    let _ = guestlist.invite_and_mail(ADA).await;
    window.open(&mail.url).await;
    window.write("email", ADA).await;
    asks_and_comes_in(&window, &guestlist, NEW_LINK).await;
    window.is_headed("You’re in").await;
}

#[tokio::test]
async fn a_suspended_person_is_told_so() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    let _ = guestlist.member(ADA).await;
    let _ = guestlist.api().post("/v1/login", &json!({ "email": ADA })).await.is(202);
    let mail = guestlist.stytch().mail(ADA, 2).await;
    let set = |status| format!("UPDATE users SET status = '{status}' WHERE email = '{ADA}'");
    let _ = guestlist.database().run(&set("suspended")).await;
    window.open(&mail.url).await;
    window.press("Continue").await;
    says(&window, "This account is suspended", "").await;
    let _ = guestlist.database().run(&set("active")).await;
    window.write("email", ADA).await;
    asks_and_comes_in(&window, &guestlist, NEW_LINK).await;
    window.is_headed("You’re in").await;
}

/// Somebody whom only Stytch knows, at the page that says so.
async fn a_stranger() -> Option<(Browsers, Guestlist, Window)> {
    let (browsers, guestlist) = seen_as(Guestlist::split(Engine::Sqlite).workers(1)).await?;
    let window = browsers.profile().await;
    let made = "/v1/magic_links/email/login_or_create";
    let redirect = format!("{}/authenticate", guestlist.public_url);
    let body = json!({
        "email": ADA, "login_magic_link_url": redirect, "signup_magic_link_url": redirect,
    });
    let _ = guestlist.stytch_api().post(made, &body).await.is(200);
    window.open(&guestlist.stytch().mail(ADA, 1).await.url).await;
    window.press("Continue").await;
    says(&window, "You are not invited", "").await;
    Some((browsers, guestlist, window))
}

#[tokio::test]
async fn whom_nobody_invited_is_told_so_and_gets_no_mail() {
    let Some((_browsers, guestlist, window)) = a_stranger().await else { return };
    window.write("email", ADA).await;
    window.press(NEW_LINK).await;
    window.is_headed("Check your mail").await;
    guestlist.settled().await;
    assert_eq!(guestlist.stytch().emails(ADA).await.len(), 1);
}

#[tokio::test]
async fn whom_nobody_invited_comes_in_once_somebody_does() {
    let Some((_browsers, guestlist, window)) = a_stranger().await else { return };
    let _ = guestlist.invite_and_mail(ADA).await;
    window.write("email", ADA).await;
    asks_and_comes_in(&window, &guestlist, NEW_LINK).await;
    window.is_headed("You’re in").await;
}

#[tokio::test]
async fn an_expired_invitation_says_so_in_the_list_and_is_sent_again_from_there() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    let _ = guestlist.invite_and_mail(ADA).await;
    admin_comes_in(&admin, &guestlist).await;
    let late = format!("UPDATE invitations SET status = 'expired' WHERE email = '{ADA}'");
    let _ = guestlist.database().run(&late).await;
    admin.reload().await;
    admin.row_says(ADA, "expired").await;
    admin.press_beside(ADA, "Resend").await;
    let mail = guestlist.stytch().mail(ADA, 2).await;
    admin.row_says(ADA, "sent").await;
    comes_in_by(&ada, &mail).await;
    admin.row_says(ADA, "active").await;
    admin.is_quiet().await;
}
