//! `ADMIN_EMAILS` adds the first administrators, and does not undo later changes to them.

use std::time::Duration;

use guestlist_tests::{Engine, Guestlist, on_every_engine, user_path, wait_until};
use serde_json::json;

const OTHER: &str = "other@example.com";

/// Starts an installation whose configured administrator has logged in, with a second one.
async fn start_with_two_admins(engine: Engine) -> Guestlist {
    let guestlist = Guestlist::dev(engine).start().await;
    let _ = guestlist.admin().await;
    let _ = guestlist.add_user(OTHER, "admin").await;
    guestlist
}

#[tokio::test]
async fn a_demoted_configured_administrator_stays_demoted() {
    on_every_engine(|engine| async move {
        let guestlist = start_with_two_admins(engine).await;
        let root = guestlist.user(&guestlist.admin_email).await;
        let path = user_path(&root);
        let _ = guestlist.api().patch(&path, &json!({ "role": "member" })).await.is(200);

        let mut member = guestlist.admin().await;

        let session = member.get("/v1/session").await.is(200).json();
        assert_eq!(session["user"]["role"], "member");
        let _ = member.get("/v1/users").await.problem(403, "forbidden");
    })
    .await;
}

#[tokio::test]
async fn a_removed_configured_administrator_receives_no_link() {
    on_every_engine(|engine| async move {
        let mut guestlist = start_with_two_admins(engine).await;
        let email = guestlist.admin_email.clone();
        let root = guestlist.user(&email).await;
        let path = user_path(&root);
        let _ = guestlist.api().delete(&path).await.is(202);
        wait_until(Duration::from_secs(30), "the administrator is removed", async || {
            (guestlist.api().get(&path).await.status == 404).then_some(())
        })
        .await;
        let mails = guestlist.sandbox().emails(&email).await.len();
        let _ = guestlist.api().post("/v1/login", &json!({ "email": email })).await.is(202);
        guestlist.wait_for_jobs().await;
        assert_eq!(guestlist.sandbox().emails(&email).await.len(), mails);
        assert!(guestlist.users().await.iter().all(|user| user["email"] != email.as_str()));

        guestlist.stop().await;
        guestlist.start().await;

        assert_eq!(guestlist.admin_email, OTHER, "whom the link of the start is for");
    })
    .await;
}
