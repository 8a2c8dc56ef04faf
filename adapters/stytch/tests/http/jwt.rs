//! Which JWTs are read, and which are not.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use guestlist_domain::{Clock, IdentityProvider, JwtClaims, JwtError};
use guestlist_stytch::StytchProvider;
use jiff::SignedDuration;
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    minter::{NEXT, OURS, THEIRS, claims, jwks, unsigned},
    stub::{Stub, clock, json as says},
};

async fn stytch() -> (Stub, StytchProvider) {
    let stub = Stub::saying(says(200, &jwks(&[&OURS]))).await;
    let provider = stub.provider();
    (stub, provider)
}

fn changed(mut value: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut value);
    value
}

fn our_claims(change: impl FnOnce(&mut Value)) -> String {
    OURS.sign(&OURS.header(), &changed(claims(clock().now()), change))
}

fn our_header(change: impl FnOnce(&mut Value)) -> String {
    OURS.sign(&changed(OURS.header(), change), &claims(clock().now()))
}

async fn read(jwt: &str) -> Option<JwtClaims> {
    let (_stub, provider) = stytch().await;
    match provider.verify_jwt(jwt).await {
        Ok(claims) => Some(claims),
        Err(JwtError::Invalid) => None,
        Err(JwtError::KeysUnavailable) => panic!("the keys are there"),
    }
}

#[tokio::test]
async fn a_good_one_is_read() {
    let (stub, provider) = stytch().await;
    let claims = provider.verify_jwt(&OURS.jwt(clock().now())).await.unwrap();
    assert_eq!(claims.provider_session_id, "session-test-1");
    assert_eq!(claims.session_expires_at.to_string(), "2026-11-23T12:00:00Z");
    assert_eq!(claims.expires_at, clock().now() + SignedDuration::from_mins(5));

    provider.verify_jwt(&OURS.jwt(clock().now())).await.unwrap();
    let asked = stub.asked();
    assert_eq!(asked.len(), 1, "the keys are fetched once");
    assert_eq!(asked[0].line, format!("GET /v1/sessions/jwks/{}", crate::stub::PROJECT_ID));
    assert_eq!(asked[0].header("authorization"), None, "and without the secret");
}

#[tokio::test]
async fn one_too_old_is_read_and_said_to_be() {
    for seconds in [-1, 0, 86_400] {
        let end = clock().now() - SignedDuration::from_secs(seconds);
        let over = our_claims(move |c| c["exp"] = end.as_second().into());
        assert_eq!(read(&over).await.unwrap().expires_at, end, "{seconds} s ago");
    }
}

#[tokio::test]
async fn one_of_the_future_is_not_read_but_clocks_may_differ_a_little() {
    let from =
        |seconds: i64| our_claims(move |c| c["nbf"] = (clock().now().as_second() + seconds).into());
    for (seconds, is_read) in [(29, true), (30, true), (31, false), (86_400, false)] {
        assert_eq!(read(&from(seconds)).await.is_some(), is_read, "in {seconds} s");
    }
}

#[tokio::test]
async fn the_end_of_a_session_is_told_as_it_is_however_clocks_differ() {
    let jwt = our_claims(|c| {
        c["exp"] = (clock().now().as_second() - 29).into();
        c["https://stytch.com/session"]["expires_at"] = json!("2026-11-23T09:59:31Z");
    });
    let claims = read(&jwt).await.unwrap();
    assert_eq!(claims.session_expires_at.to_string(), "2026-11-23T09:59:31Z");
    // Nor has one that ends with its JWT.
    let jwt = our_claims(|c| {
        c["exp"] = (clock().now().as_second() - 29).into();
        c["https://stytch.com/session"]["expires_at"] = Value::Null;
    });
    let claims = read(&jwt).await.unwrap();
    assert_eq!(claims.session_expires_at.to_string(), "2026-11-23T09:59:31Z");
}

#[tokio::test]
async fn times_at_the_end_of_time_are_read_or_not_but_break_nothing() {
    for seconds in [i64::MIN, -377_705_023_201, 253_402_207_200, 253_402_300_799, i64::MAX] {
        for key in ["exp", "nbf"] {
            let _ = read(&our_claims(|c| c[key] = seconds.into())).await;
        }
    }
}

#[tokio::test]
async fn a_session_without_an_end_of_its_own_ends_with_the_jwt() {
    for end in [Value::Null, json!("tomorrow"), json!(7)] {
        let jwt = our_claims(|c| c["https://stytch.com/session"]["expires_at"] = end);
        let claims = read(&jwt).await.unwrap();
        assert_eq!(claims.session_expires_at.to_string(), "2026-11-23T10:05:00Z");
    }
}

#[tokio::test]
async fn another_s_signature_is_no_signature() {
    let now = clock().now();
    let good = OURS.jwt(now);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other_claims = unsigned(&OURS.header(), &changed(claims(now), |c| c["sub"] = "eve".into()));
    for (what, jwt) in [
        ("another's key under our id", THEIRS.jwt(now)),
        ("an unknown key", NEXT.jwt(now)),
        ("our signature under other claims", format!("{other_claims}.{signature}")),
        ("no signature", format!("{signed}.")),
        ("half a signature", format!("{signed}.{}", &signature[..100])),
        ("no dots", "eyJhbGciOiJSUzI1NiJ9".to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("nothing", String::new()),
    ] {
        assert!(read(&jwt).await.is_none(), "{what}");
    }
}

#[test]
fn no_change_of_a_good_one_is_good() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_stub, provider) = runtime.block_on(stytch());
    let good = OURS.jwt(clock().now());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let (place, character) = (any::<Index>(), prop::char::range(' ', '~'));
    proptest!(config, |(place in place, character in character, how in 0..3)| {
        let mut jwt = good.clone();
        let at = place.index(jwt.len());
        match how {
            0 => jwt.replace_range(at..=at, &character.to_string()),
            1 => jwt.insert(at, character),
            _ => drop(jwt.remove(at)),
        }
        let answer = runtime.block_on(provider.verify_jwt(&jwt));
        prop_assert!(jwt == good || matches!(answer, Err(JwtError::Invalid)), "{}", jwt);
    });
}

#[tokio::test]
async fn the_jwt_does_not_choose_the_algorithm() {
    let mut forged = Vec::new();
    let with = |alg: &str| changed(OURS.header(), |header| header["alg"] = alg.into());
    let claims = claims(clock().now());
    for alg in ["none", "None", "NONE", ""] {
        forged.push(format!("{}.", unsigned(&with(alg), &claims)));
    }
    // The public key, which everybody has, taken for a shared secret.
    let text = unsigned(&with("HS256"), &claims);
    for secret in [OURS.modulus(), OURS.jwk()["n"].as_str().unwrap().as_bytes().to_vec()] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()));
        forged.push(format!("{text}.{signature}"));
    }
    // Signed as RS256, named otherwise.
    for alg in ["RS384", "RS512", "PS256", "ES256"] {
        forged.push(OURS.sign(&with(alg), &claims));
    }
    let (stub, provider) = stytch().await;
    for jwt in forged {
        let answer = provider.verify_jwt(&jwt).await;
        assert!(matches!(answer, Err(JwtError::Invalid)), "{jwt}");
    }
    assert!(stub.asked().is_empty(), "not even the keys are fetched for them");
}

#[tokio::test]
async fn a_header_is_of_the_one_form_there_is() {
    for (key, value) in [
        ("typ", json!("at+jwt")),
        ("typ", json!("jwt")),
        ("typ", Value::Null),
        ("kid", Value::Null),
        ("kid", json!("")),
        ("crit", json!(["exp"])),
    ] {
        assert!(read(&our_header(|h| h[key] = value.clone())).await.is_none(), "{key} {value}");
    }
    // A key that came with the JWT proves nothing.
    let header = changed(THEIRS.header(), |h| h["jwk"] = THEIRS.jwk());
    assert!(read(&THEIRS.sign(&header, &claims(clock().now()))).await.is_none());
}

#[tokio::test]
async fn claims_are_for_us_by_stytch_and_complete() {
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
        assert!(read(&our_claims(|c| c[key] = value.clone())).await.is_none(), "{key} {value}");
        let missing = our_claims(|c| drop(c.as_object_mut().unwrap().remove(key)));
        assert!(read(&missing).await.is_none(), "{key}");
    }
}

#[tokio::test]
async fn more_audiences_and_claims_do_not_hurt() {
    let jwt = our_claims(|c| {
        c["aud"] = json!(["another", crate::stub::PROJECT_ID]);
        c["tier"] = json!({"gold": true});
    });
    assert!(read(&jwt).await.is_some());
    assert!(read(&our_claims(|c| c["aud"] = json!(crate::stub::PROJECT_ID))).await.is_some());
}

#[tokio::test]
async fn a_domain_of_one_s_own_is_the_issuer_too() {
    let (stub, provider) = stytch().await;
    let domain = stub.url.trim_end_matches('/').to_owned();
    provider.verify_jwt(&our_claims(|c| c["iss"] = domain.into())).await.unwrap();
    let error = provider.verify_jwt(&our_claims(|c| c["iss"] = stub.url.as_str().into())).await;
    assert!(matches!(error, Err(JwtError::Invalid)));
}
