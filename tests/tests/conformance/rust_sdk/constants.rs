//! The fixed test values of Stytch's test environment.

use stytch::consumer::magic_links::AuthenticateRequest;
use stytch::consumer::magic_links_email::{
    InviteRequest, LoginOrCreateRequest, RevokeInviteRequest, SendRequest,
};
use stytch::consumer::sessions::{
    AuthenticateRequest as AuthenticateSession, GetRequest as GetSessions, RevokeRequest,
};
use stytch::consumer::users::GetRequest;

use super::{Sdk, assert_refused, json, ok, some};

const EMAIL: &str = "sandbox@stytch.com";
const USER_ID: &str = "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd";
const TOKEN: &str = "DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=";
const USED_TOKEN: &str = "3pzjQpgksDlGKWEwUq2Up--hCHC_0oamfLHyfspKDFU=";
const UNKNOWN_TOKEN: &str = "CprTtwhnRNiMBiUS2jSLcWYrfuO2POeBNdo5HhW6qTM=";
const SESSION_TOKEN: &str = "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY";
const OTHER_SESSION_TOKEN: &str = "59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw";
const SESSION_ID: &str = "session-test-eb94233f-8800-4ebd-8645-51dc15f9d028";

#[tokio::test]
async fn the_test_address_receives_no_mail() {
    let sdk = Sdk::start().await;
    let links = &sdk.magic_links.email;
    let email = EMAIL.to_owned();
    let send = SendRequest { email: email.clone(), ..Default::default() };
    assert_eq!(ok!(links.send(send)).user_id, USER_ID);
    let login = LoginOrCreateRequest { email: email.clone(), ..Default::default() };
    assert_eq!(ok!(links.login_or_create(login)).user_id, USER_ID);
    let invite = InviteRequest { email: email.clone(), ..Default::default() };
    assert_eq!(ok!(links.invite(invite)).user_id, USER_ID);
    let _ = ok!(links.revoke_invite(RevokeInviteRequest { email }));
    assert!(sdk.sandbox.control.all_emails().await.is_empty());
}

#[tokio::test]
async fn the_valid_test_token_works_repeatedly_and_the_others_fail() {
    let sdk = Sdk::start().await;
    for _ in 0..2 {
        let response = ok!(sdk.authenticate(TOKEN.to_owned()));
        assert_eq!((response.user_id.as_str(), response.session_token.as_str()), (USER_ID, ""));
        assert_eq!(response.user.emails[0].email, EMAIL);
        assert!(response.session.is_none());
    }
    let response = ok!(sdk.magic_links.authenticate(AuthenticateRequest {
        token: TOKEN.to_owned(),
        session_duration_minutes: Some(60),
        ..Default::default()
    }));
    assert_eq!(response.session_token, SESSION_TOKEN);
    let factors = response.session.unwrap().authentication_factors;
    assert_eq!(factors[0].email_factor.as_ref().unwrap().email_address, EMAIL);

    let used = sdk.authenticate(USED_TOKEN.to_owned()).await;
    assert_refused(used, 401, "unable_to_auth_magic_link");
    let unknown = sdk.authenticate(UNKNOWN_TOKEN.to_owned()).await;
    assert_refused(unknown, 404, "magic_link_not_found");
}

#[tokio::test]
async fn the_valid_test_session_stays_active_and_the_other_is_unknown() {
    let sdk = Sdk::start().await;
    let by_token = |token: &str| {
        let request = AuthenticateSession { session_token: some(token), ..Default::default() };
        sdk.sessions.authenticate(request)
    };
    let first = ok!(by_token(SESSION_TOKEN));
    assert_eq!(first.session_token, SESSION_TOKEN);
    assert_eq!(
        (first.session.session_id.as_str(), first.user.user_id.as_str()),
        (SESSION_ID, USER_ID)
    );
    let started = json(&first.session)["started_at"].as_str().unwrap().to_owned();
    assert!(started.starts_with("2021-08-28T00:41:58"), "{started}");
    let _ = ok!(sdk.sessions.authenticate(AuthenticateSession {
        session_jwt: Some(first.session_jwt),
        session_duration_minutes: Some(30),
        ..Default::default()
    }));
    let revoke = RevokeRequest { session_id: some(SESSION_ID), ..Default::default() };
    let _ = ok!(sdk.sessions.revoke(revoke));
    let _ = ok!(by_token(SESSION_TOKEN));
    assert_refused(by_token(OTHER_SESSION_TOKEN).await, 404, "session_not_found");
}

#[tokio::test]
async fn the_test_user_is_not_stored() {
    let sdk = Sdk::start().await;
    let user_id = USER_ID.to_owned();
    let sessions = sdk.sessions.get(GetSessions { user_id: user_id.clone() }).await;
    assert_refused(sessions, 404, "user_not_found");
    assert_refused(sdk.users.get(GetRequest { user_id }).await, 404, "user_not_found");
}
