//! Key rotations at the sandbox.

use futures::future::join_all;
use guestlist_domain::{AuthenticatedSession, IdentityProvider};
use guestlist_stytch::StytchProvider;
use serde_json::{Value, json};

use crate::sandbox::TestSandbox;

/// Returns the number of key fetches, by status.
async fn fetches(sandbox: &TestSandbox) -> Value {
    sandbox.request_counts("GET /v1/sessions/jwks/{project_id}").await
}

/// Verifies the JWTs of all sessions in many concurrent requests.
async fn verify_all(provider: &StytchProvider, sessions: &[&AuthenticatedSession]) {
    let many = sessions.iter().cycle().take(40).map(|authenticated_session| async {
        let claims = provider.verify_jwt(&authenticated_session.tokens.session_jwt).await.unwrap();
        assert_eq!(claims.provider_session_id, authenticated_session.session.provider_session_id);
    });
    join_all(many).await;
}

#[tokio::test]
async fn a_key_rotation_invalidates_no_session_and_causes_one_fetch() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let before = sandbox.log_in().await;
    verify_all(&sandbox.provider, &[&before]).await;
    assert_eq!(fetches(&sandbox).await, json!({"200": 1}));

    sandbox.rotate_keys().await;
    verify_all(&sandbox.provider, &[&before]).await;
    assert_eq!(fetches(&sandbox).await, json!({"200": 1}), "the old key is still valid");
    let after = sandbox.log_in().await;
    verify_all(&sandbox.provider, &[&before, &after]).await;
    assert_eq!(fetches(&sandbox).await, json!({"200": 2}));

    // A session from before the rotation is refreshed with the new key.
    let refreshed = sandbox.provider.refresh_session(&before.tokens.session_token).await.unwrap();
    assert_eq!(refreshed.session.provider_session_id, before.session.provider_session_id);
    verify_all(&sandbox.provider, &[&before, &after, &refreshed]).await;
    assert_eq!(fetches(&sandbox).await, json!({"200": 2}));
    // A new process accepts JWTs of both keys.
    verify_all(&sandbox.new_provider(), &[&before, &after, &refreshed]).await;
    assert_eq!(fetches(&sandbox).await, json!({"200": 3}));
}

#[tokio::test]
async fn repeated_key_rotations_invalidate_no_session() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let first = sandbox.log_in().await;
    sandbox.rotate_keys().await;
    sandbox.rotate_keys().await;
    let last = sandbox.log_in().await;
    verify_all(&sandbox.provider, &[&first, &last]).await;
    assert_eq!(fetches(&sandbox).await, json!({"200": 1}));
}
