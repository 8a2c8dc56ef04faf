//! Suspensions and demotions end sessions at once, here and at Stytch.

use guestlist_tests::{Engine, Guestlist, LONG, Response, on_every_engine, user_path, wait_until};
use serde_json::{Value, json};

async fn patch(guestlist: &Guestlist, email: &str, body: &Value) -> Response {
    guestlist.patch_user(&guestlist.user(email).await, body).await
}

/// Waits until Stytch has ended a number of sessions.
async fn wait_for_revocations(guestlist: &Guestlist, times: u64) {
    wait_until(LONG, "Stytch has ended the sessions", async || {
        let calls = guestlist.sandbox().call_count("POST /v1/sessions/revoke", "200").await;
        (calls == times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_suspension_ends_every_session_and_reactivation_allows_login() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).start().await;
        let other = guestlist.start_another_app().await;
        let mut first = guestlist.member("ada@example.com").await;
        let mut second = guestlist.log_in("ada@example.com").await;
        second.move_to(&other);
        for visitor in [&mut first, &mut second] {
            let _ = visitor.get("/v1/session").await.is(200);
        }
        guestlist.suspend("ada@example.com").await;
        let bearer = guestlist.anonymous().bearer(first.token());
        let _ = bearer.get("/v1/session").await.problem(401, "session_revoked");
        for visitor in [&mut first, &mut second] {
            let out = visitor.get("/v1/session").await;
            let _ = out.problem(401, "session_revoked");
            assert!(out.clears_cookies(), "{out:?}");
        }
        wait_for_revocations(&guestlist, 2).await;

        let _ = patch(&guestlist, "ada@example.com", &json!({ "status": "active" })).await.is(200);
        let mut back = guestlist.log_in("ada@example.com").await;
        let _ = back.get("/v1/session").await.is(200);
    })
    .await;
}

#[tokio::test]
async fn a_demotion_ends_sessions_and_a_promotion_keeps_them() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    let _ = ada.get("/v1/queues").await.problem(403, "forbidden");
    let _ = patch(&guestlist, "ada@example.com", &json!({ "role": "operator" })).await.is(200);
    let _ = ada.get("/v1/queues").await.is(200);
    let _ = patch(&guestlist, "ada@example.com", &json!({ "role": "member" })).await.is(200);
    let _ = ada.get("/v1/session").await.problem(401, "session_revoked");
    wait_for_revocations(&guestlist, 1).await;
    let mut again = guestlist.log_in("ada@example.com").await;
    let _ = again.get("/v1/queues").await.problem(403, "forbidden");
}

/// Requests two login links, and returns their tokens.
async fn two_login_links(guestlist: &Guestlist, email: &str) -> [String; 2] {
    let mut tokens = Vec::new();
    for _ in 0..2 {
        tokens.push(guestlist.login_link(email).await.token);
    }
    tokens.try_into().unwrap()
}

/// Asserts that a page refuses the first token, and the API the second.
async fn assert_refused(guestlist: &Guestlist, tokens: [String; 2], code: &str) {
    let [by_page, by_api] = tokens;
    let page = guestlist.browser().redeem_link(&by_page).await.is(403);
    assert!(page.body.contains(&format!("data-code=\"{code}\"")), "{}", page.body);
    assert!(page.set_cookie("stytch_session").is_none(), "{page:?}");
    let response = guestlist.anonymous().post("/v1/sessions", &json!({ "token": by_api })).await;
    let _ = response.problem(403, code);
}

#[tokio::test]
async fn a_login_link_from_before_a_suspension_or_removal_is_refused_with_the_reason() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).start().await;
        for email in ["sus@example.com", "del@example.com"] {
            let body = json!({ "email": email });
            let _ = guestlist.api().post("/v1/users", &body).await.is(201);
        }
        let suspended = two_login_links(&guestlist, "sus@example.com").await;
        let removed = two_login_links(&guestlist, "del@example.com").await;
        // Without a worker Stytch is not notified, and still authenticates the links.
        guestlist.stop_worker(0).await;
        guestlist.suspend("sus@example.com").await;
        let del = guestlist.user("del@example.com").await;
        let _ = guestlist.api().delete(&user_path(&del)).await.is(202);
        assert_refused(&guestlist, suspended, "account_suspended").await;
        assert_refused(&guestlist, removed, "not_invited").await;

        let live = "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL";
        assert_eq!(guestlist.database().integer(live).await, 0);
        guestlist.start_worker().await;
        wait_for_revocations(&guestlist, 4).await;
    })
    .await;
}

#[tokio::test]
async fn a_revoked_invitations_link_is_refused_with_the_reason() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).start().await;
        let (invitation, first) = guestlist.invite_and_mail("ada@example.com").await;
        // A request by the invitee resends the invitation at once.
        let body = json!({ "email": "ada@example.com" });
        let _ = guestlist.api().post("/v1/login", &body).await.is(202);
        let second = guestlist.sandbox().nth_email("ada@example.com", 2).await;
        guestlist.stop_worker(0).await;
        guestlist.revoke(&invitation).await;
        assert_refused(&guestlist, [first.token, second.token], "invitation_revoked").await;
    })
    .await;
}
