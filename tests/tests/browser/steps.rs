//! Steps that many tests begin with.

use guestlist_tests::browser::Window;
use guestlist_tests::{Guestlist, Mail};

pub const ADA: &str = "ada@example.com";

/// The administrator comes in by the link that `cargo run` prints.
pub async fn admin_comes_in(window: &Window, guestlist: &Guestlist) {
    window.open(guestlist.login_url.as_ref().unwrap()).await;
    window.press("Continue").await;
    window.is_headed("People").await;
}

/// Somebody comes in by a link.
pub async fn comes_in_by(window: &Window, mail: &Mail) {
    window.open(&mail.url).await;
    window.press("Continue").await;
    window.is_headed("You’re in").await;
}

/// Somebody is invited by the API, and comes in.
pub async fn member_comes_in(window: &Window, guestlist: &Guestlist, email: &str) -> Mail {
    let (_, mail) = guestlist.invite_and_mail(email).await;
    comes_in_by(window, &mail).await;
    mail
}

/// Asks for a link by the form that is there, and comes in by the inbox, as people do.
pub async fn asks_and_comes_in(window: &Window, guestlist: &Guestlist, button: &str) {
    let address = window.value("#email").await;
    let address = address.as_str().unwrap();
    let before = guestlist.stytch().emails(address).await.len();
    window.press(button).await;
    window.is_headed("Check your mail").await;
    let mail = guestlist.stytch().mail(address, before + 1).await;
    window.open(&mail.url).await;
    window.press("Continue").await;
}
