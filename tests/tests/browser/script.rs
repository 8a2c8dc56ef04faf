//! What the script of all pages does: live updates, the end of the session, forms, copying, menus.

use guestlist_tests::Guestlist;
use guestlist_tests::browser::{ESCAPE, WebDriver, Window, start_with_browsers};
use serde_json::json;

use crate::steps::{ADA, log_in_admin, log_in_member};

/// The element with the list of sessions, for scripts.
const LIST: &str = "document.querySelector('[data-live=sessions]')";
const ENDED: &str = "Your session has ended.";

/// Opens the list of the sessions of a user who is logged in.
async fn open_sessions() -> Option<(WebDriver, Guestlist, Window)> {
    let (browsers, guestlist) = start_with_browsers().await?;
    let window = browsers.profile().await;
    log_in_member(&window, &guestlist, ADA).await;
    window.open(&format!("{}/sessions", guestlist.public_url)).await;
    Some((browsers, guestlist, window))
}

/// Changes the row of the session.
async fn change_row(guestlist: &Guestlist, address: &str) {
    let change = format!("UPDATE sessions SET ip = '{address}'");
    assert_ne!(guestlist.database().execute(&change).await, 0);
}

/// Returns how often the page was fetched in the background.
async fn refreshes(window: &Window) -> u64 {
    let count = "return performance.getEntriesByType('resource').filter((entry) => \
                 entry.initiatorType === 'fetch' && !entry.name.endsWith('/v1/session')).length";
    window.script(count).await.as_u64().unwrap()
}

/// Waits until the page was fetched again, and what was fetched is in place.
async fn wait_for_refresh(window: &Window) {
    // A fetch is counted when it ends; the next one begins after the page was updated.
    let enough = refreshes(window).await + 2;
    let is_refreshed = async || (refreshes(window).await >= enough).then_some(());
    window.wait_for("the page is fetched again", is_refreshed).await;
}

async fn open_account_menu(window: &Window) {
    let _ = window.script("document.querySelector('.account summary').click()").await;
    assert_eq!(window.count(".account[open]").await, 1);
}

#[tokio::test]
async fn rows_change_by_themselves() {
    let Some((_browsers, guestlist, window)) = open_sessions().await else { return };
    window.mark_document().await;
    change_row(&guestlist, "192.0.2.1").await;
    window.wait_for_text("192.0.2.1").await;
    assert!(window.has_mark().await, "the page was reloaded");
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn nothing_in_use_is_replaced() {
    let Some((_browsers, guestlist, window)) = open_sessions().await else { return };
    let insert = |html: &str| format!("{LIST}.insertAdjacentHTML('beforeend', `{html}`);");
    for (n, (what, begin, end)) in [
        (
            "the focus",
            format!("{LIST}.querySelector('button').focus()"),
            "document.activeElement.blur()".to_owned(),
        ),
        (
            "an open menu",
            insert("<details open><summary>Menu</summary></details>"),
            format!("{LIST}.querySelector('details').remove()"),
        ),
        (
            "a filled field",
            insert("<input>") + &format!("{LIST}.querySelector('input').value = 'typed'"),
            format!("{LIST}.querySelector('input').remove()"),
        ),
        (
            "a changed choice",
            insert("<select><option>one<option>two</select>")
                + &format!("{LIST}.querySelector('select').selectedIndex = 1"),
            format!("{LIST}.querySelector('select').remove()"),
        ),
        (
            "selected text",
            format!("getSelection().selectAllChildren({LIST})"),
            "getSelection().removeAllRanges()".to_owned(),
        ),
    ]
    .iter()
    .enumerate()
    {
        let _ = window.script(begin).await;
        let address = format!("192.0.2.{n}");
        change_row(&guestlist, &address).await;
        wait_for_refresh(&window).await;
        assert!(!window.body_text().await.contains(&address), "{what} was replaced");
        let _ = window.script(end).await;
        window.wait_for_text(&address).await;
    }
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn paused_live_updates_stay_paused_until_they_are_resumed() {
    let Some((_browsers, guestlist, window)) = open_sessions().await else { return };
    open_account_menu(&window).await;
    window.click("Pause live updates").await;
    window.reload().await;
    change_row(&guestlist, "192.0.2.1").await;
    // Longer than the interval of updates.
    let has_passed = async || {
        (window.script("return performance.now()").await.as_f64() > Some(4500.0)).then_some(())
    };
    window.wait_for("the interval has passed", has_passed).await;
    assert_eq!(refreshes(&window).await, 0);
    assert!(!window.body_text().await.contains("192.0.2.1"));

    open_account_menu(&window).await;
    window.click("Resume live updates").await;
    window.wait_for_text("192.0.2.1").await;
}

#[tokio::test]
async fn pages_work_where_the_browser_refuses_to_store_anything() {
    let Some((_browsers, guestlist, window)) = open_sessions().await else { return };
    let refuse = "Object.defineProperty(window, 'localStorage', { get() { \
                  throw new DOMException('refused', 'SecurityError') } })";
    window.script_on_new_pages(refuse).await;
    window.reload().await;
    change_row(&guestlist, "192.0.2.1").await;
    window.wait_for_text("192.0.2.1").await;
    open_account_menu(&window).await;
    window.click("Pause live updates").await;
    change_row(&guestlist, "192.0.2.2").await;
    window.click("Resume live updates").await;
    let _ = window.script("document.querySelector('h1').click()").await;
    window.wait_for_text("192.0.2.2").await;
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn an_open_page_says_that_the_session_has_ended_and_that_it_is_back() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    log_in_admin(&admin, &guestlist).await;
    admin.open(&format!("{}/invitations", guestlist.public_url)).await;
    admin.fill("q", "half an addr").await;
    assert!(!admin.body_text().await.contains(ENDED));
    let end = "UPDATE sessions SET ended_at = started_at + 1, end_reason = 'revoked'";
    assert_eq!(guestlist.database().execute(end).await, 1);
    admin.wait_for_text(ENDED).await;
    assert_eq!(admin.value("#q").await, "half an addr");
    // As after logging in again in another tab.
    admin.add_host_cookie("stytch_session", guestlist.admin().await.token()).await;
    let is_gone = async || (!admin.body_text().await.contains(ENDED)).then_some(());
    admin.wait_for("the notice is gone", is_gone).await;
    assert_eq!(admin.value("#q").await, "half an addr");
}

#[tokio::test]
async fn a_form_is_sent_although_the_session_check_hangs() {
    let Some((_browsers, _guestlist, window)) = open_sessions().await else { return };
    let hang = json!({ "patterns": [{ "urlPattern": "*/v1/session" }] });
    let _ = window.devtools("Fetch.enable", &hang).await;
    let check = "return fetch('/v1/session', { signal: AbortSignal.timeout(300) })\
                 .then(() => 'answered', () => 'hangs')";
    assert_eq!(window.script(check).await, "hangs");
    open_account_menu(&window).await;
    window.click("Log out").await;
    window.wait_for_text("You are logged out.").await;
}

#[tokio::test]
async fn a_double_click_sends_a_form_once() {
    let Some((_browsers, _guestlist, window)) = open_sessions().await else { return };
    let count = "sessionStorage.sent = 0; addEventListener('submit', (event) => { \
                 if (!event.defaultPrevented) sessionStorage.sent++; })";
    let _ = window.script(count).await;
    let click = "const button = document.querySelector('form[action=\"/logout\"] button'); \
                 button.click(); button.click()";
    let _ = window.script(click).await;
    window.wait_for_text("You are logged out.").await;
    assert_eq!(window.script("return sessionStorage.sent").await, "1");
}

#[tokio::test]
async fn escape_or_a_click_elsewhere_closes_a_menu() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    log_in_admin(&window, &guestlist).await;
    window.open(&format!("{}/audit", guestlist.public_url)).await;
    let open = async || window.count(".account[open]").await;

    let _ = window.script("document.querySelector('.account summary').focus()").await;
    open_account_menu(&window).await;
    let _ = window.script("document.querySelector('.account a').focus()").await;
    window.press_keys(ESCAPE).await;
    assert_eq!(open().await, 0);
    assert_eq!(window.script("return document.activeElement.tagName").await, "SUMMARY");

    open_account_menu(&window).await;
    let _ = window.script("document.getElementById('actor').focus()").await;
    window.press_keys(ESCAPE).await;
    assert_eq!((open().await, window.focus().await.as_str()), (0, "actor"));

    open_account_menu(&window).await;
    let _ = window.script("document.querySelector('h1').click()").await;
    assert_eq!(open().await, 0);
}

#[tokio::test]
async fn examples_are_copied_or_selected() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    log_in_admin(&window, &guestlist).await;
    window.open(&format!("{}/connect", guestlist.public_url)).await;
    let click = |result: &str| {
        format!(
            "Object.defineProperty(navigator, 'clipboard', {{ configurable: true, value: {{ \
             writeText: async (text) => {{ window.copied = text; {result} }} }} }}); \
             document.querySelector('#invite [data-copy]').click()"
        )
    };
    let label = async |words: &str| {
        let what = format!("the button says {words:?}");
        let says = async || {
            window.text("#invite [data-copy]").await.filter(|text| text.starts_with(words))
        };
        window.wait_for(&what, says).await;
    };
    let example = window.text("#invite pre").await.unwrap();
    let _ = window.script(&click("")).await;
    label("Copied").await;
    assert_eq!(window.script("return window.copied").await, json!(example));
    label("Copy").await;
    let _ = window.script(&click("throw new Error('refused')")).await;
    label("Selected").await;
    assert_eq!(window.script("return getSelection().toString()").await, json!(example));
    window.assert_no_console_errors().await;

    let without = browsers.profile_without_scripts().await;
    without.open(&format!("{}/login", guestlist.public_url)).await;
    without.add_host_cookie("stytch_session", guestlist.admin().await.token()).await;
    without.open(&format!("{}/connect", guestlist.public_url)).await;
    without.wait_for_heading("Connect your application").await;
    assert_eq!(without.count("[data-copy]:not([hidden])").await, 0);
}
