//! Outages of Stytch, and sessions that Stytch has ended.

use std::time::{Duration, Instant};

use guestlist_tests::{Engine, Guestlist, SHORT, on_every_engine, wait_until};
use serde_json::json;

#[tokio::test]
async fn users_stay_logged_in_while_stytch_is_down() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut ada = guestlist.member("ada@example.com").await;
        for fault in [
            json!({ "down": true }),
            json!({ "status": 500 }),
            json!({ "status": 503 }),
            json!({ "status": 429 }),
            json!({ "lose_answer": true }),
        ] {
            guestlist.sandbox().set_faults(&fault).await;
            let fresh = ada.caller().get("/v1/session").await.is(200);
            assert!(fresh.set_cookies().is_empty(), "{fresh:?}");
            // The JWT is invalid or missing, and the session's row is sufficient.
            let mut old = ada.clone();
            old.set_cookie("stytch_session_jwt", "too.old.now");
            for _ in 0..3 {
                let admitted = old.get("/v1/session").await.is(200);
                assert!(admitted.set_cookies().is_empty(), "{fault}: {admitted:?}");
            }
            assert!(old.get("/").await.is(200).body.contains("ada@example.com"));
        }
        guestlist.sandbox().clear_faults().await;
        ada.set_cookie("stytch_session_jwt", "too.old.now");
        wait_until(SHORT, "the recovery of Stytch is noticed", async || {
            let healed = ada.caller().get("/v1/session").await.is(200);
            healed.set_cookie("stytch_session_jwt")
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_invalid_jwt_is_not_returned_while_stytch_is_down() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    guestlist.sandbox().set_faults(&json!({ "down": true })).await;
    ada.set_cookie("stytch_session_jwt", "whatever.somebody.wrote");
    let session = ada.get("/v1/session").await.is(200).json();
    assert_ne!(session["session_jwt"], "whatever.somebody.wrote");
}

#[tokio::test]
async fn an_app_started_while_stytch_is_down_accepts_existing_sessions() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    guestlist.stop_app().await;
    guestlist.sandbox().set_faults(&json!({ "down": true })).await;
    guestlist.start_app().await;
    ada.move_to(&guestlist.url);
    let admitted = ada.get("/v1/session").await.is(200);
    assert!(!admitted.clears_cookies());
    // A JWT alone needs keys that can't be fetched: a 503, and not a 401.
    let by_jwt = guestlist.anonymous().bearer(ada.jwt()).get("/v1/session").await;
    let _ = by_jwt.problem(503, "provider_unavailable");
    assert_eq!(by_jwt.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn requests_do_not_wait_long_for_a_hanging_stytch() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    guestlist.sandbox().set_faults(&json!({ "latency_ms": 60_000 })).await;
    ada.set_cookie("stytch_session_jwt", "too.old.now");
    let began = Instant::now();
    let _ = ada.get("/v1/session").await.is(200);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn redeeming_a_link_while_stytch_is_down_is_a_503_with_retry_after() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    guestlist.sandbox().set_faults(&json!({ "down": true })).await;
    let fields = [("token", mail.token.as_str())];
    let redeemed = guestlist.anonymous().form("/authenticate", &fields).await;
    let _ = redeemed.problem(503, "provider_unavailable");
    assert!(redeemed.header("retry-after").is_some(), "{redeemed:?}");
    let page = guestlist.browser().form("/authenticate", &fields).await.is(503);
    assert!(page.body.contains("Temporarily unavailable"), "{}", page.body);
    let retry = format!("name=\"token\" value=\"{}\"", mail.token);
    assert!(page.body.contains("Try again<") && page.body.contains(&retry), "{}", page.body);
    guestlist.sandbox().clear_faults().await;
    let _ = guestlist.redeem_link(&mail.token).await;
}

#[tokio::test]
async fn requesting_mail_does_not_wait_for_stytch() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    guestlist.sandbox().set_faults(&json!({ "latency_ms": 60_000 })).await;
    let began = Instant::now();
    let _ = guestlist.invite("ada@example.com").await;
    let login = json!({ "email": "admin@example.com" });
    let _ = guestlist.anonymous().post("/v1/login", &login).await.is(202);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_session_unknown_to_stytch_is_ended() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let mut ada = guestlist.member("ada@example.com").await;
        let revoke = json!({ "session_token": ada.token() });
        let _ = guestlist.stytch_api().post("/v1/sessions/revoke", &revoke).await.is(200);
        let jwt = ada.jwt().to_owned();
        ada.remove_cookie("stytch_session_jwt");
        let refused = ada.caller().get("/v1/session").await;
        let _ = refused.problem(401, "session_revoked");
        assert!(refused.clears_cookies(), "{refused:?}");
        // The session is ended in the database too, although the JWT is still valid.
        let by_jwt = guestlist.anonymous().bearer(&jwt).get("/v1/session").await;
        let _ = by_jwt.problem(401, "session_revoked");
    })
    .await;
}
