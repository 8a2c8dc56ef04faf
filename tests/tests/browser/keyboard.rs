//! Without a mouse.

use guestlist_tests::browser::{ENTER, TAB, Window, seen_by_browsers};

use crate::steps::{ADA, member_comes_in};

/// Tabs to where the focus is on this, within a page's worth of steps.
async fn tab_to(window: &Window, goal: &str) {
    let mut passed = Vec::new();
    while passed.len() < 20 {
        window.keys(TAB).await;
        let focus = window.focus().await;
        if focus == goal {
            return;
        }
        passed.push(focus);
    }
    panic!("no Tab leads to {goal}, only to {passed:?}");
}

#[tokio::test]
async fn the_whole_way_can_be_gone_by_tab_and_enter() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    admin.open(guestlist.login_url.as_ref().unwrap()).await;
    assert_eq!(admin.focus().await, "Continue");
    admin.keys(ENTER).await;
    admin.is_headed("People").await;
    tab_to(&admin, "email").await;
    admin.keys(ADA).await;
    tab_to(&admin, "Invite").await;
    admin.keys(ENTER).await;
    admin.row_says(ADA, "sent").await;

    ada.open(&format!("{}/inbox", guestlist.sandbox_url)).await;
    ada.sees(ADA).await;
    tab_to(&ada, "Accept invitation").await;
    ada.keys(ENTER).await;
    ada.is_headed("You are invited").await;
    tab_to(&ada, "Continue").await;
    ada.keys(ENTER).await;
    ada.is_headed("You’re in").await;
    tab_to(&ada, "Log out").await;
    ada.keys(ENTER).await;
    ada.is_headed("Log in").await;
    assert_eq!(ada.focus().await, "email");
    ada.keys(ENTER).await;
    ada.is_headed("Check your mail").await;
}

#[tokio::test]
async fn enter_in_the_field_invites_and_the_next_can_be_typed_at_once() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let admin = browsers.profile().await;
    admin.open(guestlist.login_url.as_ref().unwrap()).await;
    admin.keys(ENTER).await;
    admin.is_headed("People").await;
    for email in [ADA, "bob@example.com"] {
        assert_eq!(admin.focus().await, "email");
        admin.keys(&format!("{email}{ENTER}")).await;
        admin.row_says(email, "sent").await;
    }
}

#[tokio::test]
async fn the_list_does_not_take_the_focus_away() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    let _ = guestlist.invite_and_mail("bob@example.com").await;
    admin.open(guestlist.login_url.as_ref().unwrap()).await;
    admin.keys(ENTER).await;
    admin.row_says("bob@example.com", "sent").await;
    tab_to(&admin, "email").await;
    admin.keys("half an addr").await;
    member_comes_in(&ada, &guestlist, ADA).await;
    admin.row_says(ADA, "active").await;
    assert_eq!(admin.focus().await, "email");
    assert_eq!(admin.value("#email").await, "half an addr");
    admin.is_quiet().await;
}

#[tokio::test]
async fn who_is_in_a_field_before_the_browser_sets_the_focus_breaks_nothing() {
    let Some((browsers, _guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    let page = "<input id=first><script>first.focus()</script><input id=second autofocus>";
    window.open(&format!("data:text/html,{page}")).await;
    let painted = "return new Promise(done => requestAnimationFrame(() => \
                   requestAnimationFrame(() => done(true))))";
    assert_eq!(window.script(painted).await, true);
    assert_eq!(window.focus().await, "first");
    window.is_quiet().await;
}
