//! Verification of session JWTs.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use guestlist_domain::{Clock, IdentityProvider, JwtClaims, JwtError};
use guestlist_stytch::StytchProvider;
use jiff::SignedDuration;
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    signing_keys::{CURRENT_KEY, FOREIGN_KEY, NEXT_KEY, claims, jwks, unsigned},
    stub_server::{StubServer, clock, json_response},
};

async fn start() -> (StubServer, StytchProvider) {
    let server = StubServer::always(json_response(200, &jwks(&[&CURRENT_KEY]))).await;
    let provider = server.provider();
    (server, provider)
}

fn with_change(mut value: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut value);
    value
}

fn jwt_with_claims(change: impl FnOnce(&mut Value)) -> String {
    CURRENT_KEY.sign(&CURRENT_KEY.header(), &with_change(claims(clock().now()), change))
}

fn jwt_with_header(change: impl FnOnce(&mut Value)) -> String {
    CURRENT_KEY.sign(&with_change(CURRENT_KEY.header(), change), &claims(clock().now()))
}

async fn verify(jwt: &str) -> Option<JwtClaims> {
    let (_stub, provider) = start().await;
    match provider.verify_jwt(jwt).await {
        Ok(claims) => Some(claims),
        Err(JwtError::Invalid) => None,
        Err(JwtError::KeysUnavailable) => panic!("the keys were fetched"),
    }
}

#[tokio::test]
async fn a_valid_jwt_is_accepted_and_the_keys_are_fetched_once_without_credentials() {
    let (server, provider) = start().await;
    let claims = provider.verify_jwt(&CURRENT_KEY.jwt(clock().now())).await.unwrap();
    assert_eq!(claims.provider_session_id, "session-test-1");
    assert_eq!(claims.session_expires_at.to_string(), "2026-11-23T12:00:00Z");
    assert_eq!(claims.expires_at, clock().now() + SignedDuration::from_mins(5));

    provider.verify_jwt(&CURRENT_KEY.jwt(clock().now())).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "the keys are fetched once");
    assert_eq!(
        requests[0].line,
        format!("GET /v1/sessions/jwks/{}", crate::stub_server::PROJECT_ID)
    );
    assert_eq!(requests[0].header("authorization"), None, "without credentials");
}

#[tokio::test]
async fn an_expired_jwt_is_accepted_with_its_expiry() {
    for seconds in [-1, 0, 86_400] {
        let end = clock().now() - SignedDuration::from_secs(seconds);
        let over = jwt_with_claims(move |c| c["exp"] = end.as_second().into());
        assert_eq!(verify(&over).await.unwrap().expires_at, end, "{seconds} s ago");
    }
}

#[tokio::test]
async fn a_jwt_that_is_not_valid_yet_is_rejected_beyond_30_seconds() {
    let from = |seconds: i64| {
        jwt_with_claims(move |c| c["nbf"] = (clock().now().as_second() + seconds).into())
    };
    for (seconds, is_accepted) in [(29, true), (30, true), (31, false), (86_400, false)] {
        assert_eq!(verify(&from(seconds)).await.is_some(), is_accepted, "in {seconds} s");
    }
}

#[tokio::test]
async fn the_expiry_of_a_session_is_not_adjusted_for_clock_differences() {
    let jwt = jwt_with_claims(|c| {
        c["exp"] = (clock().now().as_second() - 29).into();
        c["https://stytch.com/session"]["expires_at"] = json!("2026-11-23T09:59:31Z");
    });
    let claims = verify(&jwt).await.unwrap();
    assert_eq!(claims.session_expires_at.to_string(), "2026-11-23T09:59:31Z");
    // The same holds for a session that expires with its JWT.
    let jwt = jwt_with_claims(|c| {
        c["exp"] = (clock().now().as_second() - 29).into();
        c["https://stytch.com/session"]["expires_at"] = Value::Null;
    });
    let claims = verify(&jwt).await.unwrap();
    assert_eq!(claims.session_expires_at.to_string(), "2026-11-23T09:59:31Z");
}

#[tokio::test]
async fn times_out_of_range_are_rejected() {
    // Negative times, and the largest time that `Timestamp` holds with the one after it.
    for (seconds, is_valid_expiry, is_valid_start) in [
        (i64::MIN, false, false),
        (-1, false, false),
        (253_402_207_200, true, false),
        (253_402_207_201, false, false),
        (i64::MAX, false, false),
    ] {
        let with = |claim: &str| jwt_with_claims(|c| c[claim] = seconds.into());
        assert_eq!(verify(&with("exp")).await.is_some(), is_valid_expiry, "exp {seconds}");
        assert_eq!(verify(&with("nbf")).await.is_some(), is_valid_start, "nbf {seconds}");
    }
}

#[tokio::test]
async fn a_session_without_an_expiry_expires_with_its_jwt() {
    for end in [Value::Null, json!("tomorrow"), json!(7)] {
        let jwt = jwt_with_claims(|c| c["https://stytch.com/session"]["expires_at"] = end);
        let claims = verify(&jwt).await.unwrap();
        assert_eq!(claims.session_expires_at.to_string(), "2026-11-23T10:05:00Z");
    }
}

#[tokio::test]
async fn a_jwt_without_a_valid_signature_is_rejected() {
    let now = clock().now();
    let valid = CURRENT_KEY.jwt(now);
    let (signed, signature) = valid.rsplit_once('.').unwrap();
    let other_claims =
        unsigned(&CURRENT_KEY.header(), &with_change(claims(now), |c| c["sub"] = "eve".into()));
    for (what, jwt) in [
        ("a foreign key under a known id", FOREIGN_KEY.jwt(now)),
        ("an unknown key", NEXT_KEY.jwt(now)),
        ("the signature of other claims", format!("{other_claims}.{signature}")),
        ("no signature", format!("{signed}.")),
        ("half a signature", format!("{signed}.{}", &signature[..100])),
        ("no dots", "eyJhbGciOiJSUzI1NiJ9".to_owned()),
        ("four parts", format!("{valid}.{signature}")),
        ("nothing", String::new()),
    ] {
        assert!(verify(&jwt).await.is_none(), "{what}");
    }
}

#[test]
fn a_modified_jwt_is_rejected() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_stub, provider) = runtime.block_on(start());
    let valid = CURRENT_KEY.jwt(clock().now());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let (position, character) = (any::<Index>(), prop::char::range(' ', '~'));
    proptest!(config, |(position in position, character in character, kind in 0..3)| {
        let mut jwt = valid.clone();
        let at = position.index(jwt.len());
        match kind {
            0 => jwt.replace_range(at..=at, &character.to_string()),
            1 => jwt.insert(at, character),
            _ => drop(jwt.remove(at)),
        }
        let result = runtime.block_on(provider.verify_jwt(&jwt));
        prop_assert!(jwt == valid || matches!(result, Err(JwtError::Invalid)), "{}", jwt);
    });
}

#[tokio::test]
async fn the_jwt_does_not_choose_the_algorithm() {
    let mut forged = Vec::new();
    let with = |alg: &str| with_change(CURRENT_KEY.header(), |header| header["alg"] = alg.into());
    let claims = claims(clock().now());
    for alg in ["none", "None", "NONE", ""] {
        forged.push(format!("{}.", unsigned(&with(alg), &claims)));
    }
    // The public key, used as a shared secret.
    let text = unsigned(&with("HS256"), &claims);
    for secret in
        [CURRENT_KEY.modulus(), CURRENT_KEY.jwk()["n"].as_str().unwrap().as_bytes().to_vec()]
    {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()));
        forged.push(format!("{text}.{signature}"));
    }
    // Signed with RS256 under another name.
    for alg in ["RS384", "RS512", "PS256", "ES256"] {
        forged.push(CURRENT_KEY.sign(&with(alg), &claims));
    }
    let (server, provider) = start().await;
    for jwt in forged {
        let result = provider.verify_jwt(&jwt).await;
        assert!(matches!(result, Err(JwtError::Invalid)), "{jwt}");
    }
    assert!(server.requests().is_empty(), "no keys are fetched for them");
}

#[tokio::test]
async fn only_the_header_of_a_session_jwt_is_accepted() {
    for (key, value) in [
        ("typ", json!("at+jwt")),
        ("typ", json!("jwt")),
        ("typ", Value::Null),
        ("kid", Value::Null),
        ("kid", json!("")),
        ("crit", json!(["exp"])),
    ] {
        assert!(
            verify(&jwt_with_header(|h| h[key] = value.clone())).await.is_none(),
            "{key} {value}"
        );
    }
    // A key in the header of the JWT is not used.
    let header = with_change(FOREIGN_KEY.header(), |h| h["jwk"] = FOREIGN_KEY.jwk());
    assert!(verify(&FOREIGN_KEY.sign(&header, &claims(clock().now()))).await.is_none());
}

#[tokio::test]
async fn claims_must_be_complete_and_have_the_right_issuer_and_audience() {
    let live = "project-live-1befd812-e9e6-49fe-bdc1-c8df2bfa702a";
    for (key, value) in [
        ("aud", json!([live])),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("iss", json!(format!("stytch.com/{live}"))),
        ("iss", json!("stytch.com")),
        ("iss", json!("https://evil.example/")),
        ("iss", Value::Null),
        ("exp", Value::Null),
        ("exp", json!("tomorrow")),
        ("exp", json!(i64::MAX)),
        ("nbf", Value::Null),
        ("https://stytch.com/session", Value::Null),
        ("https://stytch.com/session", json!({"id": ""})),
        ("https://stytch.com/session", json!({"expires_at": "2026-11-23T12:00:00Z"})),
    ] {
        assert!(
            verify(&jwt_with_claims(|c| c[key] = value.clone())).await.is_none(),
            "{key} {value}"
        );
        let missing = jwt_with_claims(|c| drop(c.as_object_mut().unwrap().remove(key)));
        assert!(verify(&missing).await.is_none(), "{key}");
    }
}

#[tokio::test]
async fn further_audiences_and_claims_are_ignored() {
    let jwt = jwt_with_claims(|c| {
        c["aud"] = json!(["another", crate::stub_server::PROJECT_ID]);
        c["tier"] = json!({"gold": true});
    });
    assert!(verify(&jwt).await.is_some());
    assert!(
        verify(&jwt_with_claims(|c| c["aud"] = json!(crate::stub_server::PROJECT_ID)))
            .await
            .is_some()
    );
}

#[tokio::test]
async fn a_custom_domain_is_accepted_as_the_issuer() {
    let (server, provider) = start().await;
    let domain = server.url.trim_end_matches('/').to_owned();
    provider.verify_jwt(&jwt_with_claims(|c| c["iss"] = domain.into())).await.unwrap();
    let error =
        provider.verify_jwt(&jwt_with_claims(|c| c["iss"] = server.url.as_str().into())).await;
    assert!(matches!(error, Err(JwtError::Invalid)));
}
