//! Rotation of Stytch's signing keys, which happens twice a year.

use guestlist_tests::{Caller, Engine, Guestlist};
use reqwest::Method;

const KEYS: &str = "GET /v1/sessions/jwks/{project_id}";

async fn assert_logged_in(caller: &Caller) {
    let _ = caller.get("/v1/session").await.is(200);
}

#[tokio::test]
async fn a_key_rotation_at_stytch_ends_no_session() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    let by_jwt = |jwt: &str| guestlist.anonymous().bearer(jwt);
    let before = by_jwt(ada.jwt());
    assert_logged_in(&before).await;
    let fetched = guestlist.sandbox().call_count(KEYS, "200").await;

    guestlist.sandbox().rotate_keys().await;

    assert_logged_in(&before).await;
    let bob = guestlist.member("bob@example.com").await;
    for _ in 0..3 {
        for caller in [&before, &by_jwt(bob.jwt())] {
            assert_logged_in(caller).await;
        }
    }
    let _ = ada.get("/v1/session").await.is(200);
    assert_eq!(
        guestlist.sandbox().call_count(KEYS, "200").await,
        fetched + 1,
        "once for the new key"
    );
    // A token alone receives a JWT of the new key, which is accepted.
    ada.remove_cookie("stytch_session_jwt");
    let _ = ada.get("/v1/session").await.is(200);
    assert_logged_in(&by_jwt(ada.jwt())).await;
    let _ = ada.api(Method::DELETE, "/v1/session", None).await.is(204);
    let _ = before.get("/v1/session").await.problem(401, "session_revoked");
}
