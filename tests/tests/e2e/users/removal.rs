//! Adding users without mail, and removing them here and at Stytch.

use guestlist_tests::{Engine, Guestlist, SHORT, id, on_every_engine, user_path, wait_until};
use serde_json::{Value, json};

async fn wait_until_removed(guestlist: &Guestlist, user: &Value) {
    let path = user_path(user);
    wait_until(SHORT, "the user is gone", async || {
        (guestlist.api().get(&path).await.status == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_address_can_be_invited_again_after_removal() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut before = guestlist.member("ada@example.com").await;
        let first = guestlist.user("ada@example.com").await;
        let path = user_path(&first);
        let removed = guestlist.api().delete(&path).await.is(202).json();
        assert_eq!(removed["status"], "deleting");
        wait_until_removed(&guestlist, &first).await;
        let _ = guestlist.api().delete(&path).await.problem(404, "not_found");
        let _ = before.get("/v1/session").await.problem(401, "session_revoked");
        assert_eq!(guestlist.sandbox().call_count("DELETE /v1/users/{user_id}", "200").await, 1);

        let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
        let _ = guestlist.redeem_link(&mail.token).await;
        let second = guestlist.user("ada@example.com").await;
        assert_eq!(second["status"], "active");
        assert_ne!(second["id"], first["id"]);
        assert_ne!(second["stytch_user_id"], first["stytch_user_id"]);
    })
    .await;
}

#[tokio::test]
async fn an_address_is_free_only_after_its_identity_is_deleted_at_stytch() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let (invitation, _) = guestlist.invite_and_mail("ada@example.com").await;
        let user = guestlist.user("ada@example.com").await;
        guestlist.sandbox().set_faults(&json!({ "down": true })).await;
        let path = user_path(&user);
        let _ = guestlist.api().delete(&path).await.is(202);
        assert_eq!(guestlist.api().get(&path).await.is(200).json()["status"], "deleting");
        assert_eq!(guestlist.invitation(id(&invitation)).await["status"], "revoked");
        // Removing twice is idempotent.
        assert_eq!(guestlist.api().delete(&path).await.is(202).json()["status"], "deleting");
        for path in ["/v1/invitations", "/v1/users"] {
            let body = json!({ "email": "ada@example.com" });
            let _ = guestlist.api().post(path, &body).await.problem(409, "user_deleting");
        }
        guestlist.sandbox().clear_faults().await;
        wait_until_removed(&guestlist, &user).await;
        let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
        let _ = guestlist.redeem_link(&mail.token).await;
    })
    .await;
}

#[tokio::test]
async fn a_user_already_deleted_at_stytch_is_removed() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let _ = guestlist.member("ada@example.com").await;
    let user = guestlist.user("ada@example.com").await;
    let at_stytch = format!("/v1/users/{}", user["stytch_user_id"].as_str().unwrap());
    let _ = guestlist.stytch_api().delete(&at_stytch).await.is(200);
    let _ = guestlist.api().delete(&user_path(&user)).await.is(202);
    wait_until_removed(&guestlist, &user).await;
}

#[tokio::test]
async fn an_added_user_can_log_in_at_once() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let body = json!({ "email": "ada@example.com", "name": "Ada", "metadata": { "a": 1 } });
        let response = guestlist.api().post("/v1/users", &body).await.is(201);
        let user = response.json();
        let path = user_path(&user);
        assert_eq!(response.header("location"), Some(path.as_str()));
        assert_eq!((&user["status"], &user["role"]), (&json!("active"), &json!("member")));
        for field in ["stytch_user_id", "last_seen_at"] {
            assert_eq!(user[field], Value::Null, "{user}");
        }
        guestlist.wait_for_jobs().await;
        assert!(guestlist.sandbox().emails("ada@example.com").await.is_empty(), "without a mail");
        let _ = guestlist.log_in("ada@example.com").await;
        let seen = guestlist.api().get(&path).await.is(200).json();
        assert!(seen["stytch_user_id"].is_string() && seen["last_seen_at"].is_string(), "{seen}");
        assert_eq!(seen["metadata"], body["metadata"]);
    })
    .await;
}

#[tokio::test]
async fn an_administrator_removes_a_user_on_the_page() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let _ = guestlist.member("ada@example.com").await;
    let user = guestlist.user("ada@example.com").await;
    let _ = admin.form(&format!("/users/{}/remove", id(&user)), &[]).await.is(303);
    wait_until_removed(&guestlist, &user).await;
    assert!(!admin.get("/").await.is(200).body.contains("ada@example.com"));
    let me = guestlist.user(&guestlist.admin_email).await;
    let refused = admin.form(&format!("/users/{}/remove", id(&me)), &[]).await.is(409);
    assert!(refused.body.contains("last active administrator"), "{}", refused.body);
}

#[tokio::test]
async fn a_removed_users_link_cannot_be_redeemed() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let _ = guestlist.member("ada@example.com").await;
        let login = json!({ "email": "ada@example.com" });
        let _ = guestlist.api().post("/v1/login", &login).await.is(202);
        let mail = guestlist.sandbox().nth_email("ada@example.com", 2).await;
        let user = guestlist.user("ada@example.com").await;
        let _ = guestlist.api().delete(&user_path(&user)).await.is(202);
        wait_until_removed(&guestlist, &user).await;
        let page = guestlist.browser().redeem_link(&mail.token).await;
        page.page_or_problem(400, "link_invalid");
        let token = json!({ "token": mail.token });
        let refused = guestlist.anonymous().post("/v1/sessions", &token).await;
        let _ = refused.problem(400, "link_invalid");
        assert!(page.set_cookies().is_empty() && refused.set_cookies().is_empty());
        let people = "SELECT COUNT(*) FROM users WHERE email = 'ada@example.com'";
        assert_eq!(guestlist.database().integer(people).await, 0);
    })
    .await;
}
