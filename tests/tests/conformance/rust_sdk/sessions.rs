//! `sessions.get`, `authenticate`, `revoke` and `get_jwks`

use serde_json::{Value, json};
use stytch::consumer::sessions::{
    AuthenticateRequest, AuthenticateResponse, AuthorizationCheck, GetJWKSRequest, GetRequest,
    RevokeRequest, Session,
};
use stytch::consumer::users::CreateRequest;

use super::{
    OTHER_PROJECT, Sdk, UNKNOWN_TOKEN, UNKNOWN_USER, address, assert_refused, json, ok, some,
};
use crate::sandbox::PROJECT_ID;

fn by_token(token: &str) -> AuthenticateRequest {
    AuthenticateRequest { session_token: some(token), ..Default::default() }
}

fn by_jwt(jwt: &str) -> AuthenticateRequest {
    AuthenticateRequest { session_jwt: some(jwt), ..Default::default() }
}

fn seconds_left(session: &Session) -> i64 {
    (session.expires_at.unwrap() - session.last_accessed_at.unwrap()).num_minutes()
}

#[tokio::test]
async fn a_token_or_jwt_returns_the_session_its_user_and_a_new_jwt() {
    let sdk = Sdk::start().await;
    let first = sdk.log_in(&address(), 60).await;
    let session = first.session.unwrap();
    sdk.advance(2).await;
    for request in [by_token(&first.session_token), by_jwt(&first.session_jwt)] {
        let response = ok!(sdk.sessions.authenticate(request));
        assert_eq!(response.session_token, first.session_token);
        assert_ne!(response.session_jwt, first.session_jwt);
        assert_eq!(response.session.session_id, session.session_id);
        assert_eq!(response.session.expires_at, session.expires_at);
        assert!(response.session.last_accessed_at > session.last_accessed_at);
        assert_eq!(json(&response.user), json(&first.user));
        assert!(response.verdict.is_none());
    }
}

#[tokio::test]
async fn a_duration_changes_the_expiry() {
    let sdk = Sdk::start().await;
    let token = sdk.log_in(&address(), 5).await.session_token;
    let lasting = |minutes| AuthenticateRequest {
        session_duration_minutes: Some(minutes),
        ..by_token(&token)
    };
    for minutes in [527_040, 5] {
        let response = ok!(sdk.sessions.authenticate(lasting(minutes)));
        assert_eq!(seconds_left(&response.session), i64::from(minutes));
    }
    for minutes in [4, 0, 527_041] {
        let response = sdk.sessions.authenticate(lasting(minutes)).await;
        assert_refused(response, 400, "invalid_session_duration_minutes");
    }
}

#[tokio::test]
async fn claims_are_set_merged_and_deleted() {
    let sdk = Sdk::start().await;
    let token = sdk.log_in(&address(), 60).await.session_token;
    let claim = async |claims: Option<Value>| -> stytch::Result<AuthenticateResponse> {
        let request = AuthenticateRequest { session_custom_claims: claims, ..by_token(&token) };
        sdk.sessions.authenticate(request).await
    };
    for (given, expected) in [
        (Some(json!({"a": {"x": 1, "y": 2}, "b": 1})), json!({"a": {"x": 1, "y": 2}, "b": 1})),
        (Some(json!({"a": {"z": 3}})), json!({"a": {"x": 1, "y": 2, "z": 3}, "b": 1})),
        (Some(json!({"a": {"x": null}, "b": null})), json!({"a": {"y": 2, "z": 3}})),
        (None, json!({"a": {"y": 2, "z": 3}})),
    ] {
        assert_eq!(ok!(claim(given)).session.custom_claims, Some(expected));
    }
    let reserved = claim(Some(json!({"exp": 1}))).await;
    assert_refused(reserved, 400, "reserved_claims_in_custom_claims");
    let large = claim(Some(json!({"a": "x".repeat(4096)}))).await;
    assert_refused(large, 400, "custom_claims_too_large");
}

#[tokio::test]
async fn an_expired_session_is_not_found() {
    let sdk = Sdk::start().await;
    let known = sdk.log_in(&address(), 5).await;
    sdk.advance(301).await;
    for request in [by_token(&known.session_token), by_jwt(&known.session_jwt)] {
        assert_refused(sdk.sessions.authenticate(request).await, 404, "session_not_found");
    }
    let revoke = RevokeRequest { session_token: Some(known.session_token), ..Default::default() };
    assert_refused(sdk.sessions.revoke(revoke).await, 404, "session_not_found");
    let listed = ok!(sdk.sessions.get(GetRequest { user_id: known.user_id }));
    assert!(listed.sessions.is_empty());
}

#[tokio::test]
async fn missing_ambiguous_and_invalid_credentials_are_refused() {
    let sdk = Sdk::start().await;
    let known = sdk.log_in(&address(), 60).await;
    let both = AuthenticateRequest {
        session_jwt: Some(known.session_jwt.clone()),
        ..by_token(&known.session_token)
    };
    let mut parts: Vec<_> = known.session_jwt.split('.').collect();
    parts[1] = "e30";
    for (request, status, error_type) in [
        (AuthenticateRequest::default(), 400, "no_session_arguments"),
        (both, 400, "too_many_session_arguments"),
        (by_token("short"), 400, "invalid_session_token"),
        (by_token(UNKNOWN_TOKEN), 404, "session_not_found"),
        (by_jwt("not.a.jwt"), 400, "unable_to_parse_session_jwt"),
        (by_jwt(&parts.join(".")), 400, "unable_to_parse_session_jwt"),
    ] {
        assert_refused(sdk.sessions.authenticate(request).await, status, error_type);
    }
}

#[tokio::test]
async fn credentials_of_another_project_are_refused() {
    let (sdk, other) = (Sdk::start().await, Sdk::start().await);
    let theirs = other.log_in(&address(), 60).await;
    let jwt = sdk.sessions.authenticate(by_jwt(&theirs.session_jwt)).await;
    assert_refused(jwt, 400, "unable_to_parse_session_jwt");
    let token = sdk.sessions.authenticate(by_token(&theirs.session_token)).await;
    assert_refused(token, 404, "session_not_found");
}

#[tokio::test]
async fn an_authorization_check_is_refused_without_a_policy() {
    let sdk = Sdk::start().await;
    let token = sdk.log_in(&address(), 60).await.session_token;
    let check =
        AuthorizationCheck { resource_id: "documents".to_owned(), action: "read".to_owned() };
    let request = AuthenticateRequest { authorization_check: Some(check), ..by_token(&token) };
    let response = sdk.sessions.authenticate(request).await;
    assert_refused(response, 403, "session_authorization_error");
}

#[tokio::test]
async fn only_active_sessions_of_a_user_are_listed() {
    let sdk = Sdk::start().await;
    let email = address();
    let first = sdk.log_in(&email, 60).await;
    sdk.advance(2).await;
    let second = sdk.log_in(&email, 60).await.session.unwrap();
    let of = |user_id: &str| sdk.sessions.get(GetRequest { user_id: user_id.to_owned() });
    assert_eq!(ok!(of(&first.user_id)).sessions.len(), 2);
    let session_id = Some(first.session.unwrap().session_id);
    let _ = ok!(sdk.sessions.revoke(RevokeRequest { session_id, ..Default::default() }));
    assert_eq!(json(&ok!(of(&first.user_id)).sessions), json(&[&second]));

    let made = sdk.create(CreateRequest::default()).await;
    assert!(ok!(of(&made.user_id)).sessions.is_empty());
    assert_refused(of(UNKNOWN_USER).await, 404, "user_not_found");
    assert_refused(of("").await, 400, "invalid_user_id");
}

#[tokio::test]
async fn listing_sessions_of_a_malformed_id_is_refused() {
    let sdk = Sdk::start().await;
    let response = sdk.sessions.get(GetRequest { user_id: "no one".to_owned() }).await;
    assert_refused(response, 400, "invalid_user_id");
}

#[tokio::test]
async fn a_session_is_revoked_once() {
    let sdk = Sdk::start().await;
    for which in 0..3 {
        let known = sdk.log_in(&address(), 60).await;
        let session_id = known.session.unwrap().session_id;
        let request = RevokeRequest {
            session_id: (which == 0).then_some(session_id),
            session_token: (which == 1).then(|| known.session_token.clone()),
            session_jwt: (which == 2).then(|| known.session_jwt.clone()),
        };
        let _ = ok!(sdk.sessions.revoke(request.clone()));
        for ended in [by_token(&known.session_token), by_jwt(&known.session_jwt)] {
            assert_refused(sdk.sessions.authenticate(ended).await, 404, "session_not_found");
        }
        assert_refused(sdk.sessions.revoke(request).await, 404, "session_not_found");
    }
}

#[tokio::test]
async fn missing_ambiguous_and_invalid_ids_revoke_nothing() {
    let sdk = Sdk::start().await;
    let known = sdk.log_in(&address(), 60).await;
    let token = known.session_token.as_str();
    let unknown = "session-test-00000000-0000-4000-8000-000000000000";
    let of = |id: &str, token: &str, jwt: &str| {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        RevokeRequest {
            session_id: given(id),
            session_token: given(token),
            session_jwt: given(jwt),
        }
    };
    for (request, status, error_type) in [
        (of("", "", ""), 400, "no_session_revoke_arguments"),
        (of(unknown, token, ""), 400, "too_many_session_revoke_arguments"),
        (of("", token, &known.session_jwt), 400, "too_many_session_revoke_arguments"),
        (of("42", "", ""), 400, "invalid_session_id"),
        (of(unknown, "", ""), 404, "session_not_found"),
        (of("", "short", ""), 400, "invalid_session_token"),
        (of("", UNKNOWN_TOKEN, ""), 404, "session_not_found"),
        (of("", "", "not.a.jwt"), 400, "unable_to_parse_session_jwt"),
    ] {
        assert_refused(sdk.sessions.revoke(request).await, status, error_type);
    }
    let _ = ok!(sdk.sessions.authenticate(by_token(token)));
}

#[tokio::test]
async fn keys_have_every_field_of_the_sdk() {
    let sdk = Sdk::start().await;
    let of = |project_id: &str| {
        sdk.sessions.get_jwks(GetJWKSRequest { project_id: project_id.to_owned() })
    };
    let keys = ok!(of(PROJECT_ID)).keys;
    assert_eq!(keys.len(), 1);
    let key = &keys[0];
    let output = (key.kty.as_str(), key.use_.as_str(), key.alg.as_str(), key.e.as_str());
    assert_eq!(output, ("RSA", "sig", "RS256", "AQAB"));
    assert_eq!(key.key_ops, ["verify"]);
    assert!(key.kid.starts_with("jwk-test-") && !key.x5c.is_empty() && !key.x5tS256.is_empty());
    sdk.sandbox.control.rotate_keys().await;
    assert_eq!(ok!(of(PROJECT_ID)).keys.len(), 2);
    sdk.advance(31 * 24 * 3600).await;
    assert_eq!(ok!(of(PROJECT_ID)).keys.len(), 1);
    assert_refused(of(OTHER_PROJECT).await, 404, "project_not_found");
    assert_refused(of("mine").await, 400, "invalid_project_id");
}
