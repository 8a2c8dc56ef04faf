//! Stytch is away, and who is in stays in; Stytch says a session is gone, and it is.

use std::time::{Duration, Instant};

use guestlist_tests::{Engine, Guestlist, SHORT, on_every_engine, wait_until};
use serde_json::json;

#[tokio::test]
async fn while_stytch_is_down_people_who_are_logged_in_stay_so() {
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
            guestlist.stytch().faults(&fault).await;
            let fresh = ada.caller().get("/v1/session").await.is(200);
            assert!(fresh.set_cookies().is_empty(), "{fresh:?}");
            // Its JWT is too old, or lost: the session's row alone admits.
            let mut old = ada.clone();
            old.set("stytch_session_jwt", "too.old.now");
            for _ in 0..3 {
                let admitted = old.get("/v1/session").await.is(200);
                assert!(admitted.set_cookies().is_empty(), "{fault}: {admitted:?}");
            }
            assert!(old.get("/").await.is(200).body.contains("ada@example.com"));
        }
        guestlist.stytch().heal().await;
        ada.set("stytch_session_jwt", "too.old.now");
        wait_until(SHORT, "it is noticed that Stytch is back", async || {
            let healed = ada.caller().get("/v1/session").await.is(200);
            healed.set_cookie("stytch_session_jwt")
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_is_no_jwt_is_not_handed_on_as_one_while_stytch_is_down() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    guestlist.stytch().faults(&json!({ "down": true })).await;
    ada.set("stytch_session_jwt", "whatever.somebody.wrote");
    let session = ada.get("/v1/session").await.is(200).json();
    assert_ne!(session["session_jwt"], "whatever.somebody.wrote");
}

#[tokio::test]
async fn an_app_started_while_stytch_is_down_admits_who_was_logged_in() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    guestlist.stop_app().await;
    guestlist.stytch().faults(&json!({ "down": true })).await;
    guestlist.start_app().await;
    ada.move_to(&guestlist.url);
    let admitted = ada.get("/v1/session").await.is(200);
    assert!(!admitted.clears_cookies());
    // A JWT alone needs keys that can't be had: that is an outage, not an end.
    let by_jwt = guestlist.anybody().bearer(ada.jwt()).get("/v1/session").await;
    let _ = by_jwt.problem(503, "provider_unavailable");
}

#[tokio::test]
async fn a_stytch_that_hangs_does_not_keep_people_waiting_for_long() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    guestlist.stytch().faults(&json!({ "latency_ms": 60_000 })).await;
    ada.set("stytch_session_jwt", "too.old.now");
    let began = Instant::now();
    let _ = ada.get("/v1/session").await.is(200);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_link_pressed_while_stytch_is_down_is_told_to_come_again() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (_, mail) = guestlist.invite_and_mail("ada@example.com").await;
    guestlist.stytch().faults(&json!({ "down": true })).await;
    let fields = [("token", mail.token.as_str())];
    let pressed = guestlist.anybody().form("/authenticate", &fields).await;
    let _ = pressed.problem(503, "provider_unavailable");
    assert!(pressed.header("retry-after").is_some(), "{pressed:?}");
    let page = guestlist.browser().form("/authenticate", &fields).await.is(503);
    assert!(page.body.contains("Temporarily unavailable"), "{}", page.body);
    guestlist.stytch().heal().await;
    let _ = guestlist.press(&mail.token).await;
}

#[tokio::test]
async fn asking_for_mail_never_waits_for_stytch() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    guestlist.stytch().faults(&json!({ "latency_ms": 60_000 })).await;
    let began = Instant::now();
    let _ = guestlist.invite("ada@example.com").await;
    let login = json!({ "email": "admin@example.com" });
    let _ = guestlist.anybody().post("/v1/login", &login).await.is(202);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_session_that_stytch_no_longer_knows_is_over() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(1).start().await;
        let mut ada = guestlist.member("ada@example.com").await;
        let revoke = json!({ "session_token": ada.token() });
        let _ = guestlist.stytch_api().post("/v1/sessions/revoke", &revoke).await.is(200);
        let jwt = ada.jwt().to_owned();
        ada.forget("stytch_session_jwt");
        let refused = ada.caller().get("/v1/session").await;
        let _ = refused.problem(401, "session_revoked");
        assert!(refused.clears_cookies(), "{refused:?}");
        // From now on here too, though the JWT is still valid.
        let by_jwt = guestlist.anybody().bearer(&jwt).get("/v1/session").await;
        let _ = by_jwt.problem(401, "session_revoked");
    })
    .await;
}
