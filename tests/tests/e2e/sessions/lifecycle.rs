//! Starting, refreshing and ending sessions.

use guestlist_tests::{Engine, Guestlist, Visitor, on_every_engine, user_path};
use reqwest::Method;
use serde_json::json;

const GARBAGE_JWT: &str = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl";

/// Asserts that the session is refused by its cookies, which are cleared, by its token and by its
/// JWT.
async fn assert_logged_out(visitor: &Visitor, code: &str) {
    let response = visitor.caller().get("/v1/session").await;
    let _ = response.problem(401, code);
    assert!(response.clears_cookies(), "{response:?}");
    let bare = visitor.caller().with("cookie", "");
    let _ = bare.bearer(visitor.jwt()).get("/v1/session").await.problem(401, code);
    let _ = bare.bearer(visitor.token()).get("/v1/session").await.problem(401, code);
}

#[tokio::test]
async fn a_logged_out_session_is_refused_by_every_process() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).start().await;
        let other = guestlist.start_another_app().await;
        let mut ada = guestlist.member("ada@example.com").await;
        let mut before = ada.clone();
        let _ = before.get("/v1/session").await.is(200);
        let left = ada.api(Method::DELETE, "/v1/session", None).await.is(204);
        assert!(left.clears_cookies(), "{left:?}");
        assert!(ada.cookie("stytch_session").is_none() && ada.cookie("guestlist_hint").is_some());
        assert_logged_out(&before, "session_revoked").await;
        before.move_to(&other);
        assert_logged_out(&before, "session_revoked").await;
        guestlist.wait_for_jobs().await;
        assert_eq!(guestlist.sandbox().call_count("POST /v1/sessions/revoke", "200").await, 1);
    })
    .await;
}

#[tokio::test]
async fn logging_out_on_the_page_ends_the_session() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    let before = ada.clone();
    let left = ada.form("/logout", &[]).await.is(303);
    assert_eq!(left.header("location"), Some("/login?ended=left"));
    assert!(left.clears_cookies(), "{left:?}");
    assert_logged_out(&before, "session_revoked").await;
    let page = ada.get("/login?ended=left").await.is(200);
    assert!(page.body.contains("ada@example.com"), "the form is filled in: {}", page.body);
}

#[tokio::test]
async fn an_expired_session_is_refused_on_the_next_request() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(1).start().await;
        let ada = guestlist.member("ada@example.com").await;
        // A sweep would remove the expired row.
        guestlist.stop_worker(0).await;
        let past = "UPDATE sessions SET expires_at = started_at + 1";
        assert_eq!(guestlist.database().execute(past).await, 1);
        assert_logged_out(&ada, "session_expired").await;
    })
    .await;
}

#[tokio::test]
async fn a_removed_user_is_refused_on_the_next_request() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut ada = guestlist.member("ada@example.com").await;
        let _ = ada.get("/v1/session").await.is(200);
        // The user stays in deletion while Stytch is down. The keys are cached already.
        guestlist.sandbox().set_faults(&json!({ "down": true })).await;
        let user = guestlist.user("ada@example.com").await;
        let removed = guestlist.api().delete(&user_path(&user)).await.is(202);
        assert_eq!(removed.json()["status"], "deleting");
        assert_logged_out(&ada, "session_revoked").await;
        guestlist.sandbox().clear_faults().await;
    })
    .await;
}

#[tokio::test]
async fn refreshing_a_session_does_not_extend_it() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut ada = guestlist.member("ada@example.com").await;
        let first = ada.get("/v1/session").await.is(200);
        assert_eq!(first.header("cache-control"), Some("no-store"));
        assert!(first.set_cookies().is_empty(), "a fresh JWT stays: {first:?}");
        assert_eq!(first.json()["session_jwt"], ada.jwt());

        // The new JWT differs from the first one, which has not expired.
        guestlist.sandbox().advance_clock(-60).await;
        for shown in [None, Some(GARBAGE_JWT), Some("not a JWT at all")] {
            match shown {
                Some(shown) => ada.set_cookie("stytch_session_jwt", shown),
                None => ada.remove_cookie("stytch_session_jwt"),
            }
            let refreshed = ada.get("/v1/session").await.is(200);
            let cookie = refreshed.set_cookie("stytch_session_jwt").expect("a new JWT");
            assert!(cookie.contains("HttpOnly") && cookie.contains("Path=/"), "{cookie}");
            assert!(refreshed.set_cookie("stytch_session").is_none(), "{refreshed:?}");
            assert!(Some(ada.jwt()) != shown && ada.jwt() != first.json()["session_jwt"]);
            let alone = guestlist.anonymous().bearer(ada.jwt()).get("/v1/session").await;
            let _ = alone.is(200);
            let body = refreshed.json();
            assert_eq!(body["session_jwt"], ada.jwt());
            assert_eq!(body["session"]["expires_at"], first.json()["session"]["expires_at"]);
        }
        let calls = guestlist.sandbox().call_count("POST /v1/sessions/authenticate", "200").await;
        assert!((1..=3).contains(&calls), "{calls}");
    })
    .await;
}

#[tokio::test]
async fn a_jwt_alone_authenticates_for_five_minutes() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let ada = guestlist.member("ada@example.com").await;
        let anonymous = guestlist.anonymous();
        let by_jwt = anonymous.bearer(ada.jwt()).get("/v1/session").await.is(200).json();
        assert_eq!(by_jwt["user"]["email"], "ada@example.com");
        let by_token = anonymous.bearer(ada.token()).get("/v1/session").await.is(200);
        assert!(by_token.json()["session_jwt"].is_string());
        let _ =
            anonymous.bearer(GARBAGE_JWT).get("/v1/session").await.problem(401, "session_missing");

        // The sandbox's clock is ten minutes slow, so that its JWTs have expired when they are issued.
        guestlist.sandbox().advance_clock(-600).await;
        let mut late = guestlist.log_in("ada@example.com").await;
        let old = anonymous.bearer(late.jwt()).get("/v1/session").await;
        let _ = old.problem(401, "jwt_expired");
        late.remove_cookie("stytch_session");
        let by_cookie = late.get("/v1/session").await;
        let _ = by_cookie.problem(401, "jwt_expired");
        assert!(by_cookie.clears_cookies(), "{by_cookie:?}");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_session_is_missing_and_its_cookies_are_cleared() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let nobody = guestlist.anonymous().get("/v1/session").await;
    let _ = nobody.problem(401, "session_missing");
    for cookie in
        ["stytch_session=x", "stytch_session_jwt=x", "stytch_session=x; stytch_session_jwt=y"]
    {
        let response = guestlist.anonymous().with("cookie", cookie).get("/v1/session").await;
        let _ = response.problem(401, "session_missing");
        assert!(response.clears_cookies(), "{cookie}: {response:?}");
    }
}

#[tokio::test]
async fn a_backend_redeems_a_link_and_receives_the_tokens() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
        let backend = guestlist.anonymous().with("user-agent", "a backend");
        let body = json!({ "token": mail.token });
        let logged_in = backend.post("/v1/sessions", &body).await.is(201).json();
        assert_eq!(logged_in["user"]["email"], "ada@example.com");
        assert_eq!(logged_in["user"]["status"], "active");
        assert_eq!(logged_in["session"]["user_agent"], "a backend");
        for field in ["id", "user_id", "started_at", "expires_at", "last_used_at"] {
            assert!(logged_in["session"][field].is_string(), "{field}: {logged_in}");
        }
        for token in ["session_token", "session_jwt"] {
            let session = guestlist.anonymous().bearer(logged_in[token].as_str().unwrap());
            let _ = session.get("/v1/session").await.is(200);
        }
        let again = backend.post("/v1/sessions", &body).await;
        let _ = again.problem(409, "link_used");
        let token = logged_in["session_token"].as_str().unwrap();
        let _ = guestlist.anonymous().bearer(token).delete("/v1/session").await.is(204);
        let gone = guestlist.anonymous().bearer(token).get("/v1/session").await;
        let _ = gone.problem(401, "session_revoked");
    })
    .await;
}

#[tokio::test]
async fn an_api_key_has_no_session() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let _ = guestlist.api().get("/v1/session").await.problem(403, "session_required");
    let _ = guestlist.api().delete("/v1/session").await.problem(403, "session_required");
}

#[tokio::test]
async fn logging_in_replaces_the_browsers_session() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let planted = guestlist.member("ada@example.com").await;
        for made_up in [None, Some("a-token-that-somebody-chose")] {
            // The browser holds another user's session, or an invalid one.
            let mut browser = planted.clone();
            if let Some(made_up) = made_up {
                browser.set_cookie("stytch_session", made_up);
            }
            let before = guestlist.sandbox().emails("ada@example.com").await.len();
            let login = json!({ "email": "ada@example.com" });
            let _ = guestlist.api().post("/v1/login", &login).await.is(202);
            let mail = guestlist.sandbox().nth_email("ada@example.com", before + 1).await;
            let _ = browser.redeem_link(&mail.token).await.is(303);
            assert_ne!(browser.token(), planted.token());
            assert_ne!(Some(browser.token()), made_up);
            let _ = browser.get("/v1/session").await.is(200);
            assert_logged_out(&planted, "session_revoked").await;
        }
        guestlist.wait_for_jobs().await;
        assert_eq!(guestlist.sandbox().call_count("POST /v1/sessions/revoke", "200").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_session_token_in_a_url_does_not_authenticate() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let admin = guestlist.admin().await;
    let shown = [admin.token(), admin.jwt(), &guestlist.api_key];
    for secret in shown {
        for name in ["token", "session_token", "stytch_session", "session_jwt", "access_token"] {
            for path in ["/v1/session", "/v1/users", "/v1/invitations", "/metrics"] {
                let response = guestlist.anonymous().get(&format!("{path}?{name}={secret}")).await;
                let _ = response.problem(401, "session_missing");
            }
            let page = guestlist.browser().get(&format!("/sessions?{name}={secret}")).await;
            let place = page.is(303).header("location").unwrap().to_owned();
            assert!(place.starts_with("/login?return_to=%2Fsessions"), "{place}");
        }
    }
}
