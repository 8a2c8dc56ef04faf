//! With an administrator's rights end the invitations that grant rights and that they have sent.

use guestlist_tests::{Guestlist, Visitor, id, on_every_engine};
use reqwest::Method;
use serde_json::{Value, json};

/// Another administrator, who has invited a second self and a friend.
async fn mallory(guestlist: &Guestlist) -> (Value, Visitor) {
    let body = json!({ "email": "mallory@example.com", "role": "admin" });
    let user = guestlist.api().post("/v1/users", &body).await.is(201).json();
    let mut mallory = guestlist.log_in("mallory@example.com").await;
    for (email, role) in [("second@example.com", "admin"), ("friend@example.com", "member")] {
        let body = json!({ "email": email, "role": role });
        let _ = mallory.api(Method::POST, "/v1/invitations", Some(&body)).await.is(202);
        let _ = guestlist.stytch().mail(email, 1).await;
    }
    (user, mallory)
}

fn revoked(answer: &Value) -> Vec<&str> {
    let revoked = answer["revoked_invitations"].as_array().expect("what was revoked");
    revoked.iter().map(|one| one["email"].as_str().unwrap()).collect()
}

async fn has_no_way_back(guestlist: &Guestlist) {
    let mail = guestlist.stytch().mail("second@example.com", 1).await;
    // By then the link is revoked at Stytch.
    guestlist.settled().await;
    let refused = guestlist.anybody().form("/authenticate", &[("token", &mail.token)]).await;
    let _ = refused.problem(400, "link_invalid");
    assert_eq!(guestlist.user("second@example.com").await["status"], "invited");
    let friend = guestlist.stytch().mail("friend@example.com", 1).await;
    let _ = guestlist.press(&friend.token).await;
}

#[tokio::test]
async fn the_answer_says_which_invitations_are_revoked() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let _ = guestlist.admin().await;
        let (user, _) = mallory(&guestlist).await;
        let path = format!("/v1/users/{}", id(&user));
        let renamed = guestlist.api().patch(&path, &json!({ "name": "M" })).await.is(200).json();
        assert_eq!(renamed.get("revoked_invitations"), None);
        let suspended = json!({ "status": "suspended" });
        let answer = guestlist.api().patch(&path, &suspended).await.is(200).json();
        assert_eq!(revoked(&answer), ["second@example.com"]);
        has_no_way_back(&guestlist).await;
        let removed = guestlist.api().delete(&path).await.is(202).json();
        assert_eq!(removed.get("revoked_invitations"), None, "it was done before");
    })
    .await;
}

#[tokio::test]
async fn the_page_says_so_before_and_after_a_removal() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut admin = guestlist.admin().await;
        let (user, _) = mallory(&guestlist).await;
        let page = format!("/users/{}", id(&user));
        for place in [page.clone(), format!("{page}/remove")] {
            let body = admin.get(&place).await.is(200).body;
            assert!(body.contains("<bdi>second@example.com</bdi> as admin"), "{body}");
            assert!(!body.contains("friend@example.com"), "{body}");
        }
        let removed = admin.form(&format!("{page}/remove"), &[]).await.is(303);
        let place = removed.header("location").unwrap().to_owned();
        let body = admin.get(&place).await.is(200).body;
        assert!(
            body.contains("were revoked too: <bdi>second@example.com</bdi> as admin"),
            "{body}"
        );
        has_no_way_back(&guestlist).await;
    })
    .await;
}

#[tokio::test]
async fn the_page_says_so_after_a_demotion() {
    let guestlist = Guestlist::dev(guestlist_tests::Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let (user, _) = mallory(&guestlist).await;
    let page = format!("/users/{}", id(&user));
    let demoted = admin.form(&format!("{page}/role"), &[("role", "member")]).await.is(303);
    let body = admin.get(demoted.header("location").unwrap()).await.is(200).body;
    assert!(body.contains("were revoked too: <bdi>second@example.com</bdi> as admin"), "{body}");
}
