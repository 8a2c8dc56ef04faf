//! Use with the keyboard alone.

use guestlist_tests::browser::{ENTER, TAB, Window, start_with_browsers};

use crate::steps::{ADA, log_in_member};

/// Presses Tab until an element has the focus, at most 20 times.
async fn tab_to(window: &Window, goal: &str) {
    let mut passed = Vec::new();
    while passed.len() < 20 {
        window.press_keys(TAB).await;
        let focus = window.focus().await;
        if focus == goal {
            return;
        }
        passed.push(focus);
    }
    panic!("no Tab leads to {goal}, only to {passed:?}");
}

#[tokio::test]
async fn the_quick_start_works_with_tab_and_enter() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    admin.open(guestlist.login_url.as_ref().unwrap()).await;
    assert_eq!(admin.focus().await, "Continue");
    admin.press_keys(ENTER).await;
    admin.wait_for_heading("People").await;
    tab_to(&admin, "email").await;
    admin.press_keys(ADA).await;
    tab_to(&admin, "Invite").await;
    admin.press_keys(ENTER).await;
    admin.wait_for_row_status(ADA, "sent").await;

    ada.open(&format!("{}/inbox", guestlist.sandbox_url)).await;
    ada.wait_for_text(ADA).await;
    tab_to(&ada, "Accept invitation").await;
    ada.press_keys(ENTER).await;
    ada.wait_for_heading("You are invited to Guestlist").await;
    tab_to(&ada, "Continue").await;
    ada.press_keys(ENTER).await;
    ada.wait_for_heading("You’re logged in").await;
    tab_to(&ada, "Log out").await;
    ada.press_keys(ENTER).await;
    ada.wait_for_heading("Log in").await;
    assert_eq!(ada.focus().await, "email");
    ada.press_keys(ENTER).await;
    ada.wait_for_heading("Check your mail").await;
}

#[tokio::test]
async fn enter_in_the_invite_form_invites_and_clears_the_field() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    admin.open(guestlist.login_url.as_ref().unwrap()).await;
    admin.press_keys(ENTER).await;
    admin.wait_for_heading("People").await;
    for email in [ADA, "bob@example.com"] {
        assert_eq!(admin.focus().await, "email");
        admin.press_keys(&format!("{email}{ENTER}")).await;
        admin.wait_for_row_status(email, "sent").await;
    }
}

#[tokio::test]
async fn refreshing_the_list_keeps_the_focus() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    let _ = guestlist.invite_and_mail("bob@example.com").await;
    admin.open(guestlist.login_url.as_ref().unwrap()).await;
    admin.press_keys(ENTER).await;
    admin.wait_for_row_status("bob@example.com", "sent").await;
    assert_eq!(admin.focus().await, "email");
    admin.press_keys("half an addr").await;
    log_in_member(&ada, &guestlist, ADA).await;
    admin.wait_for_row_status(ADA, "Active").await;
    assert_eq!(admin.focus().await, "email");
    assert_eq!(admin.value("#email").await, "half an addr");
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn focus_set_before_autofocus_is_kept() {
    let Some((browsers, _guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let page = "<input id=first><script>first.focus()</script><input id=second autofocus>";
    window.open(&format!("data:text/html,{page}")).await;
    let painted = "return new Promise(done => requestAnimationFrame(() => \
                   requestAnimationFrame(() => done(true))))";
    assert_eq!(window.script(painted).await, true);
    assert_eq!(window.focus().await, "first");
    window.assert_no_console_errors().await;
}
