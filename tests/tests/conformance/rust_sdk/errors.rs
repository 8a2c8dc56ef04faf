//! Errors of every call: credentials, routes, and injected faults.

use serde_json::json;
use stytch::consumer::client::Client;
use stytch::consumer::debug::WhoamiRequest;
use stytch::consumer::magic_links::AuthenticateRequest;
use stytch::consumer::magic_links_email::{
    InviteRequest, LoginOrCreateRequest, RevokeInviteRequest, SendRequest,
};
use stytch::consumer::otp_email::SendRequest as SendOtp;
use stytch::consumer::sessions::{
    AuthenticateRequest as AuthenticateSession, GetRequest as GetSessions, RevokeRequest,
};
use stytch::consumer::users::{
    CreateRequest, DeleteEmailRequest, DeleteExternalIdRequest, DeleteRequest, GetRequest,
    SearchRequest, UpdateRequest,
};

use super::{OTHER_PROJECT, Sdk, UNKNOWN_TOKEN, address, assert_refused, ok};
use crate::sandbox::{PROJECT_ID, SECRET};

/// Asserts that every call that needs credentials fails with this error.
async fn every_call_is_refused(by: &Client, status: u16, error_type: &str) {
    macro_rules! calls {
        ($part:expr => $($call:ident $request:expr),+ $(,)?) => {
            $(assert_refused($part.$call($request).await, status, error_type);)+
        };
    }
    let email = address;
    let id = || "x".to_owned();
    let token = || UNKNOWN_TOKEN.to_owned();
    calls!(by.magic_links.email =>
        invite InviteRequest { email: email(), ..Default::default() },
        revoke_invite RevokeInviteRequest { email: email() },
        login_or_create LoginOrCreateRequest { email: email(), ..Default::default() },
        send SendRequest { email: email(), ..Default::default() },
    );
    calls!(by.magic_links => authenticate AuthenticateRequest { token: token(), ..Default::default() });
    calls!(by.sessions =>
        get GetSessions { user_id: id() },
        authenticate AuthenticateSession { session_token: Some(token()), ..Default::default() },
        revoke RevokeRequest { session_token: Some(token()), ..Default::default() },
    );
    calls!(by.users =>
        create CreateRequest { email: Some(email()), ..Default::default() },
        get GetRequest { user_id: id() },
        search SearchRequest::default(),
        update UpdateRequest { user_id: id(), ..Default::default() },
        delete DeleteRequest { user_id: id() },
        delete_email DeleteEmailRequest { email_id: id() },
        delete_external_id DeleteExternalIdRequest { user_id: id() },
    );
    calls!(by.debug => whoami WhoamiRequest {});
}

#[tokio::test]
async fn bad_credentials_are_refused_by_every_call() {
    let sdk = Sdk::start().await;
    assert_eq!(ok!(sdk.debug.whoami(WhoamiRequest {})).project_id, PROJECT_ID);
    let wrong_secret = sdk.client_with(PROJECT_ID, "secret-test-of-somebody-else=");
    every_call_is_refused(&wrong_secret, 401, "unauthorized_credentials").await;
    let other = sdk.client_with(OTHER_PROJECT, SECRET);
    every_call_is_refused(&other, 401, "unauthorized_credentials").await;
    let malformed = sdk.client_with("my-project", SECRET);
    every_call_is_refused(&malformed, 400, "invalid_project_id_authentication").await;
}

#[tokio::test]
async fn an_injected_fault_is_decoded_for_every_call() {
    let sdk = Sdk::start().await;
    for (status, error_type) in [
        (429, "too_many_requests"),
        (500, "internal_server_error"),
        (502, "internal_server_error"),
        (503, "server_unavailable"),
    ] {
        sdk.sandbox.control.set_faults(&json!({"status": status})).await;
        every_call_is_refused(&sdk, status, error_type).await;
    }
    let reported =
        json!({"status": 403, "error_type": "email_in_denylist", "retry_after_seconds": 1});
    sdk.sandbox.control.set_faults(&reported).await;
    every_call_is_refused(&sdk, 403, "email_in_denylist").await;
}

#[tokio::test]
async fn an_unsupported_call_is_route_not_found() {
    let sdk = Sdk::start().await;
    let request = SendOtp { email: address(), ..Default::default() };
    assert_refused(sdk.otps.email.send(request).await, 404, "route_not_found");
}

#[tokio::test]
async fn a_fault_expires_and_has_no_effect() {
    let sdk = Sdk::start().await;
    let request = InviteRequest { email: address(), ..Default::default() };
    let fault = json!({"status": 500, "times": 2, "path": "/v1/magic_links"});
    sdk.sandbox.control.set_faults(&fault).await;
    for _ in 0..2 {
        let response = sdk.magic_links.email.invite(request.clone()).await;
        assert_refused(response, 500, "internal_server_error");
    }
    let _ = ok!(sdk.magic_links.email.invite(request.clone()));
    assert_eq!(sdk.sandbox.control.emails(&request.email).await.len(), 1);
}

#[tokio::test]
async fn a_missing_response_is_a_transport_error() {
    let sdk = Sdk::start().await;
    sdk.sandbox.control.set_faults(&json!({"down": true})).await;
    let response = sdk.users.search(SearchRequest::default()).await;
    assert!(matches!(response, Err(stytch::Error::Other(_))), "{response:?}");

    sdk.sandbox.control.set_faults(&json!({"lose_answer": true})).await;
    let request = InviteRequest { email: address(), ..Default::default() };
    let response = sdk.magic_links.email.invite(request.clone()).await;
    assert!(matches!(response, Err(stytch::Error::Other(_))), "{response:?}");

    sdk.sandbox.control.set_faults(&json!({"latency_ms": 50})).await;
    let _ = ok!(sdk.authenticate(sdk.token(&request.email).await));
}
