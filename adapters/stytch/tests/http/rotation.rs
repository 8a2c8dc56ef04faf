//! New keys at the sandbox: nobody is logged out, and Stytch is asked once.

use futures::future::join_all;
use guestlist_domain::{IdentityProvider, AuthenticatedSession};
use guestlist_stytch::StytchProvider;
use serde_json::{Value, json};

use crate::road::Road;

/// How often the keys were fetched.
async fn fetches(road: &Road) -> Value {
    road.calls("GET /v1/sessions/jwks/{project_id}").await
}

/// Many requests at once, with either session's JWT.
async fn all_are_read(provider: &StytchProvider, sessions: &[&AuthenticatedSession]) {
    let many = sessions.iter().cycle().take(40).map(|vouched| async {
        let claims = provider.verify_jwt(&vouched.tokens.session_jwt).await.unwrap();
        assert_eq!(claims.provider_session_id, vouched.session.provider_session_id);
    });
    join_all(many).await;
}

#[tokio::test]
async fn rotating_the_keys_logs_nobody_out_and_is_noticed_by_one_fetch() {
    let road = Road::start(|_| ()).await;
    let before = road.log_in().await;
    all_are_read(&road.provider, &[&before]).await;
    assert_eq!(fetches(&road).await, json!({"200": 1}));

    road.rotate_keys().await;
    all_are_read(&road.provider, &[&before]).await;
    assert_eq!(fetches(&road).await, json!({"200": 1}), "the old key is still good");
    let after = road.log_in().await;
    all_are_read(&road.provider, &[&before, &after]).await;
    assert_eq!(fetches(&road).await, json!({"200": 2}));

    // The session from before goes on, signed by the new key.
    let refreshed = road.provider.refresh_session(&before.tokens.session_token).await.unwrap();
    assert_eq!(refreshed.session.provider_session_id, before.session.provider_session_id);
    all_are_read(&road.provider, &[&before, &after, &refreshed]).await;
    assert_eq!(fetches(&road).await, json!({"200": 2}));
    // And another process, which never saw the old key in use, takes both.
    all_are_read(&road.elsewhere(), &[&before, &after, &refreshed]).await;
    assert_eq!(fetches(&road).await, json!({"200": 3}));
}

#[tokio::test]
async fn keys_that_are_rotated_again_and_again_log_nobody_out() {
    let road = Road::start(|_| ()).await;
    let first = road.log_in().await;
    road.rotate_keys().await;
    road.rotate_keys().await;
    let last = road.log_in().await;
    all_are_read(&road.provider, &[&first, &last]).await;
    assert_eq!(fetches(&road).await, json!({"200": 1}));
}
