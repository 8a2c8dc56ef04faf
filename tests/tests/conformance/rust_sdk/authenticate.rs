//! `magic_links.authenticate`

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use stytch::consumer::attribute::Attributes;
use stytch::consumer::magic_links::{AuthenticateRequest, Options};
use stytch::consumer::magic_links_email::{InviteRequest, LoginOrCreateRequest, SendRequest};
use stytch::consumer::sessions::{AuthenticationFactorDeliveryMethod, AuthenticationFactorType};

use super::{Sdk, UNKNOWN_TOKEN, address, assert_refused, ok, some};

const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more-0123";

fn with(token: &str) -> AuthenticateRequest {
    AuthenticateRequest { token: token.to_owned(), ..Default::default() }
}

/// Creates a link, and returns its token.
async fn link(sdk: &Sdk, request: LoginOrCreateRequest) -> String {
    let email = address();
    let request = LoginOrCreateRequest { email: email.clone(), ..request };
    let _ = ok!(sdk.magic_links.email.login_or_create(request));
    sdk.token(&email).await
}

#[tokio::test]
async fn authenticating_without_a_duration_creates_no_session() {
    let sdk = Sdk::start().await;
    let email = address();
    let request = InviteRequest { email: email.clone(), ..Default::default() };
    let invited = ok!(sdk.magic_links.email.invite(request));
    let token = sdk.token(&email).await;
    let response = ok!(sdk.authenticate(token.clone()));
    assert_eq!((response.user_id, response.method_id), (invited.user_id, invited.email_id));
    assert_eq!((response.session_token.as_str(), response.session_jwt.as_str()), ("", ""));
    assert!(response.session.is_none() && !response.reset_sessions);
    assert_eq!(response.user.status, "active");
    assert!(response.user.emails[0].verified);

    assert_refused(sdk.authenticate(token).await, 401, "unable_to_auth_magic_link");
    assert_refused(sdk.authenticate(UNKNOWN_TOKEN.to_owned()).await, 404, "magic_link_not_found");
    assert_refused(sdk.authenticate(String::new()).await, 400, "invalid_token");
}

#[tokio::test]
async fn authenticating_with_a_duration_creates_a_session() {
    let sdk = Sdk::start().await;
    let email = address();
    let attributes = Attributes { ip_address: some("203.0.113.7"), user_agent: some("Firefox") };
    let response = ok!(sdk.magic_links.authenticate(AuthenticateRequest {
        session_duration_minutes: Some(90),
        session_custom_claims: Some(json!({"plan": {"seats": 3}})),
        attributes: Some(attributes),
        ..with(&sdk.link(&email).await)
    }));
    assert_eq!(response.session_token.len(), 44);
    let session = response.session.unwrap();
    assert_eq!(session.user_id, response.user_id);
    let lasts = session.expires_at.unwrap() - session.started_at.unwrap();
    assert_eq!(lasts.num_minutes(), 90);
    assert_eq!(session.custom_claims, Some(json!({"plan": {"seats": 3}})));
    assert_eq!(session.attributes.unwrap().user_agent, some("Firefox"));
    let [factor] = session.authentication_factors.as_slice() else { panic!("one factor") };
    assert!(matches!(factor.type_, AuthenticationFactorType::MagicLink));
    assert!(matches!(factor.delivery_method, AuthenticationFactorDeliveryMethod::Email));
    let by = factor.email_factor.clone().unwrap();
    assert_eq!((by.email_address, by.email_id), (email, response.method_id));
}

#[tokio::test]
async fn a_link_expires() {
    let sdk = Sdk::start().await;
    let invited = |minutes| InviteRequest {
        email: address(),
        invite_expiration_minutes: minutes,
        ..Default::default()
    };
    for (given, minutes) in [(None, 60), (Some(7), 7)] {
        let (early, late) = (invited(given), invited(given));
        let _ = ok!(sdk.magic_links.email.invite(early.clone()));
        let _ = ok!(sdk.magic_links.email.invite(late.clone()));
        sdk.advance(minutes * 60 - 30).await;
        let _ = ok!(sdk.authenticate(sdk.token(&early.email).await));
        sdk.advance(31).await;
        let expired = sdk.authenticate(sdk.token(&late.email).await).await;
        assert_refused(expired, 401, "unable_to_auth_magic_link");
    }
    for (given, minutes) in [(None, 10080), (Some(5), 5)] {
        let request =
            LoginOrCreateRequest { signup_expiration_minutes: given, ..Default::default() };
        let (early, late) = (link(&sdk, request.clone()).await, link(&sdk, request).await);
        sdk.advance(minutes * 60 - 30).await;
        let _ = ok!(sdk.authenticate(early));
        sdk.advance(31).await;
        assert_refused(sdk.authenticate(late).await, 401, "unable_to_auth_magic_link");
    }
}

#[tokio::test]
async fn a_refused_authentication_does_not_consume_the_link() {
    let sdk = Sdk::start().await;
    let token = sdk.link(&address()).await;
    for minutes in [4, 0, -1, 527_041] {
        let request =
            AuthenticateRequest { session_duration_minutes: Some(minutes), ..with(&token) };
        let response = sdk.magic_links.authenticate(request).await;
        assert_refused(response, 400, "invalid_session_duration_minutes");
    }
    for (claims, error_type) in [
        (json!({"sub": "me"}), "reserved_claims_in_custom_claims"),
        (json!({"https://stytch.com/session": {}}), "stytch_claims_in_custom_claims"),
        (json!({"a": "x".repeat(4096)}), "custom_claims_too_large"),
    ] {
        let request = AuthenticateRequest {
            session_duration_minutes: Some(5),
            session_custom_claims: Some(claims),
            ..with(&token)
        };
        assert_refused(sdk.magic_links.authenticate(request).await, 400, error_type);
    }
    let longest = AuthenticateRequest { session_duration_minutes: Some(527_040), ..with(&token) };
    let _ = ok!(sdk.magic_links.authenticate(longest));
}

#[tokio::test]
async fn a_link_extends_the_given_session() {
    let sdk = Sdk::start().await;
    for by_jwt in [false, true] {
        let email = address();
        let first = sdk.log_in(&email, 60).await;
        sdk.advance(2).await;
        let response = ok!(sdk.magic_links.authenticate(AuthenticateRequest {
            session_token: (!by_jwt).then(|| first.session_token.clone()),
            session_jwt: by_jwt.then(|| first.session_jwt.clone()),
            session_duration_minutes: Some(600),
            ..with(&sdk.link(&email).await)
        }));
        assert_eq!(response.session_token, first.session_token);
        let session = response.session.unwrap();
        assert_eq!(session.session_id, first.session.unwrap().session_id);
        let left = session.expires_at.unwrap() - session.last_accessed_at.unwrap();
        assert_eq!(left.num_minutes(), 600);
        assert_eq!(session.authentication_factors.len(), 1);
    }
}

#[tokio::test]
async fn a_link_to_another_address_adds_a_factor_to_a_session() {
    let sdk = Sdk::start().await;
    let first = sdk.log_in(&address(), 60).await;
    let email = address();
    let request =
        SendRequest { email: email.clone(), user_id: Some(first.user_id), ..Default::default() };
    let _ = ok!(sdk.magic_links.email.send(request));
    let response = ok!(sdk.magic_links.authenticate(AuthenticateRequest {
        session_token: Some(first.session_token),
        ..with(&sdk.token(&email).await)
    }));
    let factors = response.session.unwrap().authentication_factors;
    assert_eq!(factors.len(), 2);
    assert_eq!(factors[1].email_factor.as_ref().unwrap().email_address, email);
}

#[tokio::test]
async fn a_session_of_another_user_or_given_twice_is_refused() {
    let sdk = Sdk::start().await;
    let other = sdk.log_in(&address(), 60).await;
    let token = sdk.link(&address()).await;
    let theirs =
        AuthenticateRequest { session_token: Some(other.session_token.clone()), ..with(&token) };
    let twice =
        AuthenticateRequest { session_jwt: Some(other.session_jwt.clone()), ..theirs.clone() };
    assert_refused(sdk.magic_links.authenticate(theirs).await, 404, "session_not_found");
    assert_refused(sdk.magic_links.authenticate(twice).await, 400, "too_many_session_arguments");
    let _ = ok!(sdk.authenticate(token));
}

#[tokio::test]
async fn a_pkce_link_requires_its_verifier() {
    let sdk = Sdk::start().await;
    let code_challenge = Some(URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER)));
    let token = link(&sdk, LoginOrCreateRequest { code_challenge, ..Default::default() }).await;
    let by = |token: &str, verifier: &str| {
        let request = AuthenticateRequest { code_verifier: some(verifier), ..with(token) };
        sdk.magic_links.authenticate(request)
    };
    assert_refused(sdk.authenticate(token.clone()).await, 400, "pkce_expected_code_verifier");
    assert_refused(by(&token, &format!("{VERIFIER}-not")).await, 400, "pkce_mismatch");
    let _ = ok!(by(&token, VERIFIER));
    let unbound = sdk.link(&address()).await;
    assert_refused(by(&unbound, VERIFIER).await, 400, "pkce_did_not_expect_code_verifier");
}

#[tokio::test]
async fn required_attributes_must_match() {
    let sdk = Sdk::start().await;
    let attributes = Attributes { ip_address: some("203.0.113.7"), user_agent: some("Firefox") };
    let bound =
        || LoginOrCreateRequest { attributes: Some(attributes.clone()), ..Default::default() };
    let ip = Attributes { ip_address: some("203.0.113.8"), ..attributes.clone() };
    let agent = Attributes { user_agent: some("curl"), ..attributes.clone() };
    for (ip_match_required, other) in [(true, ip), (false, agent)] {
        let token = link(&sdk, bound()).await;
        let options = Options { ip_match_required, user_agent_match_required: !ip_match_required };
        let request = |attributes: &Attributes| AuthenticateRequest {
            options: Some(options.clone()),
            attributes: Some(attributes.clone()),
            ..with(&token)
        };
        let mismatch = sdk.magic_links.authenticate(request(&other)).await;
        assert_refused(mismatch, 401, "attribute_mismatch");
        let _ = ok!(sdk.magic_links.authenticate(request(&attributes)));
    }
}
