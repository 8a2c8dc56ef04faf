//! An administrator who loses their rights also loses the open invitations that grant rights.

use guestlist_tests::{Guestlist, Visitor, id, on_every_engine, user_path};
use reqwest::Method;
use serde_json::{Value, json};

/// Adds another administrator, who has invited an administrator and a member.
async fn add_malicious_admin(guestlist: &Guestlist) -> (Value, Visitor) {
    let user = guestlist.add_user("mallory@example.com", "admin").await;
    let mut mallory = guestlist.log_in("mallory@example.com").await;
    for (email, role) in [("second@example.com", "admin"), ("friend@example.com", "member")] {
        let body = json!({ "email": email, "role": role });
        let _ = mallory.api(Method::POST, "/v1/invitations", Some(&body)).await.is(202);
        let _ = guestlist.sandbox().nth_email(email, 1).await;
    }
    (user, mallory)
}

fn revoked_addresses(response: &Value) -> Vec<&str> {
    let revoked = response["revoked_invitations"].as_array().expect("what was revoked");
    revoked.iter().map(|one| one["email"].as_str().unwrap()).collect()
}

async fn assert_invitation_revoked(guestlist: &Guestlist) {
    let mail = guestlist.sandbox().nth_email("second@example.com", 1).await;
    // The link is revoked at Stytch too.
    guestlist.wait_for_jobs().await;
    let refused = guestlist.anonymous().form("/authenticate", &[("token", &mail.token)]).await;
    let _ = refused.problem(400, "link_invalid");
    assert_eq!(guestlist.user("second@example.com").await["status"], "invited");
    let friend = guestlist.sandbox().nth_email("friend@example.com", 1).await;
    let _ = guestlist.redeem_link(&friend.token).await;
}

#[tokio::test]
async fn the_response_lists_the_revoked_invitations() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let _ = guestlist.admin().await;
        let (user, _) = add_malicious_admin(&guestlist).await;
        let path = user_path(&user);
        let renamed = guestlist.api().patch(&path, &json!({ "name": "M" })).await.is(200).json();
        assert_eq!(renamed.get("revoked_invitations"), None);
        let suspended = json!({ "status": "suspended" });
        let response = guestlist.api().patch(&path, &suspended).await.is(200).json();
        assert_eq!(revoked_addresses(&response), ["second@example.com"]);
        assert_invitation_revoked(&guestlist).await;
        let removed = guestlist.api().delete(&path).await.is(202).json();
        assert_eq!(removed.get("revoked_invitations"), None, "it was done before");
    })
    .await;
}

#[tokio::test]
async fn the_page_lists_revoked_invitations_before_and_after_a_removal() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut admin = guestlist.admin().await;
        let (user, _) = add_malicious_admin(&guestlist).await;
        let page = format!("/users/{}", id(&user));
        for place in [page.clone(), format!("{page}/remove")] {
            let body = admin.get(&place).await.is(200).body;
            assert!(body.contains("<bdi>second@example.com</bdi> as admin"), "{body}");
            assert!(!body.contains("friend@example.com</bdi> as"), "{body}");
        }
        let removed = admin.form(&format!("{page}/remove"), &[]).await.is(303);
        let place = removed.header("location").unwrap().to_owned();
        let body = admin.get(&place).await.is(200).body;
        assert!(body.contains("revoked too: <bdi>second@example.com</bdi> as admin"), "{body}");
        assert_invitation_revoked(&guestlist).await;
    })
    .await;
}

#[tokio::test]
async fn the_page_lists_revoked_invitations_after_a_demotion() {
    let guestlist = Guestlist::dev(guestlist_tests::Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let (user, _) = add_malicious_admin(&guestlist).await;
    let page = format!("/users/{}", id(&user));
    let demoted = admin.form(&format!("{page}/role"), &[("role", "member")]).await.is(303);
    let body = admin.get(demoted.header("location").unwrap()).await.is(200).body;
    assert!(body.contains("revoked too: <bdi>second@example.com</bdi> as admin"), "{body}");
}
