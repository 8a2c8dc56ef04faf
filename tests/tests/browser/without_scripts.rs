//! What administrators and members do, in browsers without scripts.

use guestlist_tests::browser::{Window, start_with_browsers};
use guestlist_tests::{Guestlist, id};

use crate::steps::{ADA, log_in_admin};

/// Accepts the newest invitation to an address in the inbox.
async fn accept(window: &Window, guestlist: &Guestlist, email: &str) {
    window.open(&format!("{}/inbox?to={email}", guestlist.sandbox_url)).await;
    window.click_in_row(email, "Accept invitation").await;
    // As at Stytch, the link opens a page that redirects by script.
    window.click("Continue").await;
    window.submit("form[action='/authenticate']").await;
    window.wait_for_path("/").await;
}

#[tokio::test]
async fn people_are_invited_and_removed_without_scripts() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile_without_scripts().await;
    let ada = browsers.profile_without_scripts().await;
    log_in_admin(&admin, &guestlist).await;
    admin.fill("email", ADA).await;
    admin.submit("form[action='/users/invite']").await;
    admin.wait_for_text(ADA).await;
    let _ = guestlist.sandbox().nth_email(ADA, 1).await;
    accept(&ada, &guestlist, ADA).await;

    let person = id(&guestlist.user(ADA).await).to_owned();
    admin.open(&format!("{}/users/{person}/remove", guestlist.public_url)).await;
    admin.submit("form[action$='/remove']").await;
    admin.wait_for("the person is gone", async || (admin.path().await == "/").then_some(())).await;
    ada.reload().await;
    ada.wait_for("logged out", async || ada.path().await.starts_with("/login").then_some(())).await;
    for window in [admin, ada] {
        window.assert_no_console_errors().await;
    }
}

#[tokio::test]
async fn sessions_are_ended_without_scripts() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let here = browsers.profile_without_scripts().await;
    let _ = guestlist.invite_and_mail(ADA).await;
    accept(&here, &guestlist, ADA).await;
    let mut elsewhere = guestlist.log_in(ADA).await;
    let _ = elsewhere.get("/sessions").await.is(200);
    here.open(&format!("{}/sessions", guestlist.public_url)).await;
    here.submit("form[action='/sessions/end-others']").await;
    let is_alone =
        async || (here.count("form[action='/sessions/end-others']").await == 0).then_some(());
    here.wait_for("one session is left", is_alone).await;
    let _ = elsewhere.get("/sessions").await.is(303);

    let _ = here.script("document.querySelector('.account').open = true").await;
    here.submit("form[action='/logout']").await;
    here.wait_for("logged out", async || here.path().await.starts_with("/login").then_some(()))
        .await;
    here.assert_no_console_errors().await;
}
