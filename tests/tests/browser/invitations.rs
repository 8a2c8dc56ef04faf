//! The pages of invitations: the list, inviting people, and an invitation's story.

use std::path::PathBuf;

use guestlist_tests::browser::{Size, Window, start_with_browsers};
use guestlist_tests::{Guestlist, id};
use serde_json::json;

use crate::steps::{ADA, log_in_admin};

const SIZES: [(Size, &str); 4] = [
    (Size { width: 1440, height: 900, is_dark: false }, "wide"),
    (Size { width: 1440, height: 900, is_dark: true }, "wide-dark"),
    (Size { width: 360, height: 800, is_dark: false }, "narrow"),
    (Size { width: 360, height: 800, is_dark: true }, "narrow-dark"),
];
const SEND: &str = "/v1/magic_links/email/invite";

/// Logs the administrator in, and forgets what the console says about the pages on the way.
async fn administrator(window: &Window, guestlist: &Guestlist) {
    log_in_admin(window, guestlist).await;
    let _ = window.console_errors().await;
}

async fn open(window: &Window, guestlist: &Guestlist, path: &str) {
    window.open(&format!("{}{path}", guestlist.public_url)).await;
    window.wait_for(path, async || window.text("h1").await).await;
}

/// Waits until a tab of the list shows a count.
async fn wait_for_count(window: &Window, status: &str, count: &str) {
    let tab = format!(".tabs a[href='/invitations?status={status}'] .num");
    let is = async || (window.text(&tab).await.as_deref() == Some(count)).then_some(());
    window.wait_for(&format!("{count} are {status}"), is).await;
}

/// Opens a page at each size, and asserts that it has no faults. Takes screenshots if
/// `GUESTLIST_TEST_PICTURES` names a folder.
async fn assert_faultless(window: &Window, guestlist: &Guestlist, name: &str, path: &str) {
    open(window, guestlist, path).await;
    let pictures = std::env::var_os("GUESTLIST_TEST_PICTURES").map(PathBuf::from);
    let mut faults = Vec::new();
    for (size, kind) in SIZES {
        window.resize(size).await;
        let found = window.accessibility_faults().await;
        faults.extend(found.iter().map(|fault| format!("{name}, {kind}: {fault}")));
        if let Some(folder) = &pictures {
            std::fs::create_dir_all(folder).unwrap();
            window.screenshot(&folder.join(format!("{name}-{kind}.png"))).await;
        }
    }
    faults.extend(window.console_errors().await);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test]
async fn rows_and_counts_change_by_themselves() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    administrator(&admin, &guestlist).await;
    open(&admin, &guestlist, "/invitations").await;
    admin.wait_for_text("No invitations yet").await;
    admin.mark_document().await;
    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    admin.wait_for_text(ADA).await;
    admin.wait_for_text("not opened yet").await;
    wait_for_count(&admin, "sent", "1").await;
    let _ = guestlist.redeem_link(&mail.token).await;
    wait_for_count(&admin, "accepted", "1").await;
    assert!(admin.has_mark().await, "the list reloaded the page");
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn an_invitations_story_continues_by_itself() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    administrator(&admin, &guestlist).await;
    let fault = json!({
        "status": 500, "error_type": "internal_server_error", "times": 1, "path": SEND,
    });
    guestlist.sandbox().set_faults(&fault).await;
    open(&admin, &guestlist, "/invitations/new").await;
    admin.fill("email", ADA).await;
    admin.fill("name", "Ada Lovelace").await;
    admin.click("Invite").await;
    admin.wait_for_text("admin@example.com invited Ada Lovelace").await;
    admin.mark_document().await;
    admin.wait_for_text("Attempt 1: failed").await;
    admin.wait_for_text("Attempt 2: sent").await;
    admin.wait_for_text("Waiting for Ada Lovelace to press Continue").await;
    let mail = guestlist.sandbox().nth_email(ADA, 1).await;
    let _ = guestlist.anonymous().get(mail.path()).await.is(200);
    admin.wait_for_text("Opened, probably by a mail scanner").await;
    let _ = guestlist.redeem_link(&mail.token).await;
    admin.wait_for_text("Ada Lovelace accepted").await;
    admin.wait_for_text("Nothing to do").await;
    assert!(admin.has_mark().await, "the page was reloaded");
    admin.script("document.querySelector('.story details').open = true").await;
    admin.wait_for_text("internal_server_error").await;
    admin.wait_for_text("request-id-").await;
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn invitations_are_revoked_repeated_and_resent_without_scripts() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile_without_scripts().await;
    administrator(&admin, &guestlist).await;
    let (first, _) = guestlist.invite_and_mail(ADA).await;
    open(&admin, &guestlist, "/invitations").await;
    admin.click(ADA).await;
    admin.click("Revoke…").await;
    admin.wait_for_heading("Revoke the invitation of ada@example.com?").await;
    admin.click("Revoke the invitation").await;
    admin.wait_for_path(&format!("/invitations/{}", id(&first))).await;
    admin.wait_for_text("admin@example.com revoked the invitation").await;

    admin.click("Invite the address again").await;
    admin.wait_for_heading("Invite a person").await;
    assert_eq!(admin.value("#email").await, ADA);
    admin.click("Invite").await;
    let _ = guestlist.sandbox().nth_email(ADA, 2).await;
    admin.wait_for_text("Waiting for ada@example.com to press Continue").await;
    open(&admin, &guestlist, "/invitations").await;
    admin.click_in_row("Sent", "Resend").await;
    admin.wait_for_path("/invitations").await;
    let _ = guestlist.sandbox().nth_email(ADA, 3).await;
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn several_addresses_are_pasted_and_a_refused_one_is_corrected() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    administrator(&admin, &guestlist).await;
    open(&admin, &guestlist, "/invitations/new").await;
    let fault = json!({ "status": 400, "error_type": "invalid_email", "times": 1, "path": SEND });
    guestlist.sandbox().set_faults(&fault).await;
    admin.fill("addresses", "Bob <bob@exmaple.com>\nnonsense").await;
    admin.click("Invite all").await;
    admin.wait_for_text("1 of 2 invited").await;
    admin.wait_for_text("The address is not an address like name@example.com.").await;
    assert_eq!(admin.value("#addresses").await, "nonsense");
    let invitation = guestlist.api().get("/v1/invitations").await.items().remove(0);
    let _ = guestlist.wait_for_status(id(&invitation), "failed").await;

    open(&admin, &guestlist, "/invitations").await;
    admin.click("Correct").await;
    admin.wait_for_text("Correct the address and invite again").await;
    admin.fill("email", "bob@example.com").await;
    admin.click("Invite this address").await;
    admin.wait_for_text("Waiting for Bob to press Continue").await;
    admin.assert_no_console_errors().await;
}

#[tokio::test]
async fn the_pages_of_invitations_are_accessible() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    administrator(&admin, &guestlist).await;
    assert_faultless(&admin, &guestlist, "invitations-empty", "/invitations").await;
    let (ada, _) = guestlist.invite_and_mail(ADA).await;
    let (bob, _) = guestlist.invite_and_mail("bob@example.com").await;
    guestlist.revoke(&bob).await;
    let (ada, bob) = (format!("/invitations/{}", id(&ada)), format!("/invitations/{}", id(&bob)));
    for (name, path) in [
        ("invitations", "/invitations"),
        ("invitations-unmatched", "/invitations?status=failed&q=x"),
        ("invite", "/invitations/new"),
        ("invitation", &ada),
        ("invitation-revoked", &bob),
        ("confirm-revoke", &format!("{ada}/revoke")),
    ] {
        assert_faultless(&admin, &guestlist, name, path).await;
    }
}

#[tokio::test]
async fn hostile_texts_are_shown_harmlessly() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let admin = browsers.profile().await;
    administrator(&admin, &guestlist).await;
    let fault = json!({ "status": 400, "error_type": "invalid_email", "times": 1, "path": SEND });
    guestlist.sandbox().set_faults(&fault).await;
    let body = json!({
        "email": ADA,
        "name": "<script>document.title='owned'</script>",
        "metadata": { "x".repeat(300): "</pre><script>document.title='owned'</script>".repeat(150) },
    });
    let invitation = guestlist.api().post("/v1/invitations", &body).await.is(202).json();
    let _ = guestlist.wait_for_status(id(&invitation), "failed").await;
    let name = "\u{202e}\u{200b}<img src=x onerror=alert(1)>".to_owned() + &"W".repeat(160);
    let error = "\u{202e}<script>document.title='owned'</script>".to_owned() + &"x".repeat(3_900);
    for statement in [
        format!("UPDATE invitations SET name = '{name}', invited_by_name = '{name}'"),
        format!("UPDATE events SET actor_name = '{name}' WHERE actor_name IS NOT NULL"),
        format!("UPDATE invitations SET last_error_message = '{}'", error.replace('\'', "''")),
        format!("UPDATE job_attempts SET error = '{}'", error.replace('\'', "''")),
    ] {
        let _ = guestlist.database().execute(&statement).await;
    }
    let page = format!("/invitations/{}", id(&invitation));
    let again = format!("/invitations/new?again={}", id(&invitation));
    for (name, path) in [
        ("hostile-list", "/invitations"),
        ("hostile-invitation", &page),
        ("hostile-revoke", &format!("{page}/revoke")),
        ("hostile-invite", &again),
    ] {
        assert_faultless(&admin, &guestlist, name, path).await;
        assert_ne!(admin.title().await, "owned", "{path}");
        assert_eq!(admin.count("main img, main script").await, 0, "{path}");
    }
}
