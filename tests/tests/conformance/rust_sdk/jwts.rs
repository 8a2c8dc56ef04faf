//! Verification of JWTs with the keys that the SDK fetches. Verification uses the machine's clock,
//! so an older JWT is created by setting the sandbox's clock back.

use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use stytch::consumer::magic_links::AuthenticateResponse;
use stytch::consumer::sessions::{AuthenticateRequest, RevokeRequest};
use stytch::consumer::users::DeleteRequest;

use super::{PROJECT_ID, SECRET, Sdk, address, assert_refused, http, json, ok};

fn kid(jwt: &str) -> String {
    jsonwebtoken::decode_header(jwt).unwrap().kid.unwrap()
}

/// Verifies a JWT without cached keys.
async fn verify(sdk: &Sdk, jwt: &str) -> Result<Value> {
    let key = http(&sdk.sandbox.url, PROJECT_ID, SECRET).fetch_jwk(&kid(jwt)).await.unwrap();
    let key = DecodingKey::from_rsa_components(&key.n, &key.e)?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_audience(&[PROJECT_ID]);
    validation.set_issuer(&[format!("stytch.com/{PROJECT_ID}")]);
    validation.set_required_spec_claims(&["aud", "iss", "exp", "nbf", "sub"]);
    Ok(jsonwebtoken::decode(jwt, &key, &validation)?.claims)
}

#[track_caller]
fn assert_error(verified: Result<Value>, expected: &ErrorKind) {
    assert_eq!(verified.unwrap_err().kind(), expected);
}

async fn refreshed(
    sdk: &Sdk,
    jwt: &str,
) -> stytch::Result<stytch::consumer::sessions::AuthenticateResponse> {
    let session_jwt = Some(jwt.to_owned());
    sdk.sessions.authenticate(AuthenticateRequest { session_jwt, ..Default::default() }).await
}

/// Creates a session while the sandbox's clock is off by some seconds.
async fn log_in_at(sdk: &Sdk, seconds: i64) -> AuthenticateResponse {
    sdk.advance(seconds).await;
    let response = sdk.log_in(&address(), 60).await;
    sdk.advance(-seconds).await;
    response
}

#[tokio::test]
async fn a_jwt_verifies_and_contains_the_session() {
    let sdk = Sdk::start().await;
    let first = sdk.log_in(&address(), 60).await;
    let response = ok!(sdk.sessions.authenticate(AuthenticateRequest {
        session_jwt: Some(first.session_jwt),
        session_custom_claims: Some(json!({"plan": "pro"})),
        ..Default::default()
    }));
    let claims = verify(&sdk, &response.session_jwt).await.unwrap();
    assert_eq!(claims["sub"], first.user_id);
    assert_eq!(claims["aud"], json!([PROJECT_ID]));
    assert_eq!(claims["plan"], "pro");
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(exp - iat, 300);
    let reported = &claims["https://stytch.com/session"];
    let session = json(&response.session);
    assert_eq!(reported["id"], session["session_id"]);
    for name in ["started_at", "last_accessed_at", "expires_at", "attributes", "roles"] {
        assert_eq!(reported[name], session[name], "{name}");
    }
    let header = jsonwebtoken::decode_header(&response.session_jwt).unwrap();
    assert_eq!(header.typ.as_deref(), Some("JWT"));
}

#[tokio::test]
async fn a_forged_jwt_does_not_verify() {
    let sdk = Sdk::start().await;
    let (one, other) = (sdk.log_in(&address(), 60).await, sdk.log_in(&address(), 60).await);
    let parts: Vec<_> = one.session_jwt.split('.').collect();
    let payload = other.session_jwt.split('.').nth(1).unwrap();
    let forged = format!("{}.{payload}.{}", parts[0], parts[2]);
    assert_error(verify(&sdk, &forged).await, &ErrorKind::InvalidSignature);
    assert_refused(refreshed(&sdk, &forged).await, 400, "unable_to_parse_session_jwt");
}

#[tokio::test]
async fn an_expired_jwt_is_refused_locally_and_refreshed_remotely() {
    let sdk = Sdk::start().await;
    let old = log_in_at(&sdk, -400).await;
    assert_error(verify(&sdk, &old.session_jwt).await, &ErrorKind::ExpiredSignature);
    let fresh = ok!(refreshed(&sdk, &old.session_jwt));
    assert_eq!(fresh.session.session_id, old.session.unwrap().session_id);
    let _ = verify(&sdk, &fresh.session_jwt).await.unwrap();
}

#[tokio::test]
async fn a_jwt_from_a_fast_clock_is_refused_locally() {
    let sdk = Sdk::start().await;
    let early = log_in_at(&sdk, 120).await;
    assert_error(verify(&sdk, &early.session_jwt).await, &ErrorKind::ImmatureSignature);
}

#[tokio::test]
async fn a_jwt_outlives_its_session_and_its_user() {
    let sdk = Sdk::start().await;
    let (one, other) = (sdk.log_in(&address(), 60).await, sdk.log_in(&address(), 60).await);
    let session_token = Some(one.session_token);
    let _ = ok!(sdk.sessions.revoke(RevokeRequest { session_token, ..Default::default() }));
    let _ = ok!(sdk.users.delete(DeleteRequest { user_id: other.user_id }));
    for jwt in [one.session_jwt, other.session_jwt] {
        let _ = verify(&sdk, &jwt).await.unwrap();
        assert_refused(refreshed(&sdk, &jwt).await, 404, "session_not_found");
    }
}

#[tokio::test]
async fn jwts_of_both_keys_verify_after_a_rotation() {
    let sdk = Sdk::start().await;
    let before = sdk.log_in(&address(), 60).await.session_jwt;
    let _ = sdk.http.fetch_jwk(&kid(&before)).await.unwrap();
    sdk.sandbox.control.rotate_keys().await;
    let after = sdk.log_in(&address(), 60).await.session_jwt;
    assert_ne!(kid(&before), kid(&after));
    for jwt in [&before, &after] {
        let _ = verify(&sdk, jwt).await.unwrap();
        let _ = ok!(refreshed(&sdk, jwt));
    }
    // Cached keys are used for five minutes.
    let unknown = sdk.http.fetch_jwk(&kid(&after)).await;
    assert!(matches!(unknown, Err(stytch::Error::JwkNotFound(_))), "{unknown:?}");
}

#[tokio::test]
async fn an_unavailable_key_is_an_error() {
    let sdk = Sdk::start().await;
    let jwt = sdk.log_in(&address(), 60).await.session_jwt;
    sdk.sandbox.control.set_faults(&json!({"status": 500, "path": "/v1/sessions/jwks"})).await;
    let response = sdk.http.fetch_jwk(&kid(&jwt)).await;
    assert!(matches!(response, Err(stytch::Error::FetchJwks)), "{response:?}");
    sdk.sandbox.control.clear_faults().await;
    let _ = sdk.http.fetch_jwk(&kid(&jwt)).await.unwrap();
}
