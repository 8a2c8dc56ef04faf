//! The README's first five minutes, in two browsers.

use guestlist_tests::Guestlist;
use guestlist_tests::browser::{Browsers, Window, seen_by_browsers};

use crate::steps::{ADA, admin_comes_in};

#[tokio::test]
async fn the_first_five_minutes_are_as_the_readme_says() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    sees_an_empty_list(&admin, &guestlist).await;

    invites_ada(&admin).await;
    admin.mark().await;
    admin.row_says(ADA, "sent").await;
    assert!(admin.is_marked().await, "the list reloaded the page");

    opens_the_invitation(&ada, &guestlist).await;
    comes_in(&ada).await;
    admin.row_says(ADA, "active").await;
    assert!(admin.is_marked().await, "the list reloaded the page");
    for window in [admin, ada] {
        window.is_quiet().await;
    }
}

#[tokio::test]
async fn the_first_five_minutes_need_no_scripts() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let (admin, ada) = without_scripts(&browsers).await;
    sees_an_empty_list(&admin, &guestlist).await;

    invites_ada(&admin).await;
    // The page asks to be loaded again while something moves.
    admin.row_says(ADA, "sent").await;

    opens_the_invitation(&ada, &guestlist).await;
    // As at Stytch, a page stands before the link's end that only scripts pass by themselves.
    ada.press("Go on").await;
    comes_in(&ada).await;
    admin.reload().await;
    admin.row_says(ADA, "active").await;
    for window in [admin, ada] {
        window.is_quiet().await;
    }
}

async fn without_scripts(browsers: &Browsers) -> (Window, Window) {
    let pair = (browsers.profile_without_scripts().await, browsers.profile_without_scripts().await);
    pair.0.open("data:text/html,<noscript>No scripts here</noscript>").await;
    pair.0.sees("No scripts here").await;
    pair
}

async fn sees_an_empty_list(admin: &Window, guestlist: &Guestlist) {
    admin_comes_in(admin, guestlist).await;
    admin.is_at("/").await;
    admin.sees("No one is invited yet").await;
    assert_eq!(admin.count("input:not([type=hidden])").await, 1);
}

async fn invites_ada(admin: &Window) {
    admin.write("email", ADA).await;
    admin.press("Invite").await;
    admin.sees(ADA).await;
    admin.is_at("/").await;
    assert_eq!(admin.value("#email").await, "", "the field is free for the next");
}

async fn opens_the_invitation(ada: &Window, guestlist: &Guestlist) {
    ada.open(&format!("{}/inbox", guestlist.sandbox_url)).await;
    ada.press_beside(ADA, "Accept invitation").await;
}

async fn comes_in(ada: &Window) {
    ada.is_headed("You are invited").await;
    ada.press("Continue").await;
    ada.is_headed("You’re in").await;
    ada.is_at("/").await;
    ada.sees(ADA).await;
}
