//! Steps that many tests share.

use guestlist_tests::browser::Window;
use guestlist_tests::{Guestlist, Mail};

pub const ADA: &str = "ada@example.com";

/// Logs the administrator in with the link that `dev` prints.
pub async fn log_in_admin(window: &Window, guestlist: &Guestlist) {
    window.open(guestlist.login_url.as_ref().unwrap()).await;
    window.click("Continue").await;
    window.wait_for_heading("People").await;
}

/// Logs a user in with the link of an email.
pub async fn log_in_by_link(window: &Window, mail: &Mail) {
    window.open(&mail.url).await;
    window.click("Continue").await;
    window.wait_for_heading("You’re logged in").await;
}

/// Invites an address through the API, and accepts the invitation.
pub async fn log_in_member(window: &Window, guestlist: &Guestlist, email: &str) -> Mail {
    let (_, mail) = guestlist.invite_and_mail(email).await;
    log_in_by_link(window, &mail).await;
    mail
}

/// Submits the login form of the current page, and redeems the link that arrives.
pub async fn log_in_by_form(window: &Window, guestlist: &Guestlist, button: &str) {
    let address = window.value("#email").await;
    let address = address.as_str().unwrap();
    let before = guestlist.sandbox().emails(address).await.len();
    window.click(button).await;
    window.wait_for_heading("Check your mail").await;
    let mail = guestlist.sandbox().nth_email(address, before + 1).await;
    window.open(&mail.url).await;
    window.click("Continue").await;
}
