//! Rejected requests, which leave links and users unchanged.

use crate::harness::TestSandbox;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ADA: &str = "ada@example.com";
const SEND: &str = "/v1/magic_links/email/send";
const AUTHENTICATE: &str = "/v1/magic_links/authenticate";

#[tokio::test]
async fn a_code_challenge_must_be_a_hash_and_a_verifier_needs_a_challenge() {
    let t = TestSandbox::start().await;
    let challenged = async |challenge: &str| {
        let body = json!({"email": ADA, "code_challenge": challenge});
        t.post("/v1/magic_links/email/login_or_create", body).await
    };
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest("verifier"));
    for wrong in ["", "plain", &format!("{hash}="), &"!".repeat(43)] {
        challenged(wrong).await.rejected(400, "invalid_pkce_code_challenge");
    }
    challenged(&hash).await.ok();
    t.login_or_create(ADA).await.ok();
    let body = json!({"token": t.last_token(ADA).await, "code_verifier": "verifier"});
    t.post(AUTHENTICATE, body).await.rejected(400, "pkce_did_not_expect_code_verifier");
    t.authenticate(&t.last_token(ADA).await).await.ok();
}

#[tokio::test]
async fn a_link_can_be_bound_to_the_device_that_requested_it() {
    let t = TestSandbox::start().await;
    let device = json!({"ip_address": "192.0.2.1", "user_agent": "A"});
    let body = json!({"email": ADA, "attributes": device});
    t.post("/v1/magic_links/email/login_or_create", body).await.ok();
    let token = t.last_token(ADA).await;
    let use_it = async |options: Value, attributes: Value| {
        let body = json!({"token": token, "options": options, "attributes": attributes});
        t.post(AUTHENTICATE, body).await
    };
    let (ip, agent) =
        (json!({"ip_match_required": true}), json!({"user_agent_match_required": true}));
    use_it(ip.clone(), Value::Null).await.rejected(401, "attribute_mismatch");
    let elsewhere = json!({"ip_address": "192.0.2.2", "user_agent": "A"});
    use_it(ip, elsewhere.clone()).await.rejected(401, "attribute_mismatch");
    let other = json!({"ip_address": "192.0.2.1", "user_agent": null});
    use_it(agent.clone(), other).await.rejected(401, "attribute_mismatch");
    use_it(agent, elsewhere).await.ok();
}

#[tokio::test]
async fn send_accepts_only_one_argument_that_selects_the_user() {
    let t = TestSandbox::start().await;
    let ada = t.invite_and_accept(ADA).await;
    t.invite_and_accept("bob@example.com").await;
    let send = async |address: &str, mut body: Value| {
        body["email"] = json!(address);
        t.post(SEND, body).await
    };
    let new = "new@example.com";
    for two in [("user_id", "session_token"), ("session_token", "session_jwt")] {
        let body = json!({two.0: ada[two.0], two.1: ada[two.1]});
        send(new, body).await.rejected(400, "too_many_user_selection_arguments");
    }
    send(new, json!({"user_id": "user test"})).await.rejected(400, "invalid_user_id");
    send(new, json!({"user_id": "user-test-none"})).await.rejected(404, "user_not_found");
    let other = "59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw";
    send(new, json!({"session_token": other})).await.rejected(404, "session_not_found");
    send("bob@example.com", json!({"user_id": ada["user_id"]}))
        .await
        .rejected(400, "duplicate_email");
    assert_eq!(t.emails(new).await.len(), 0);
    let by_jwt = json!({"session_jwt": ada["session_jwt"], "session_token": "", "user_id": null});
    assert_eq!(send(new, by_jwt).await.ok()["user_id"], ada["user_id"]);
    let ids = json!({"external_id": "crm-1"});
    t.put(&format!("/v1/users/{}", ada["user_id"].as_str().unwrap()), ids).await.ok();
    let by_external_id = send("third@example.com", json!({"user_id": "crm-1"})).await.ok();
    assert_eq!(by_external_id["user_id"], ada["user_id"]);
}

#[tokio::test]
async fn an_empty_text_counts_as_absent() {
    let t = TestSandbox::start().await;
    t.invite(ADA).await.ok();
    let body = json!({"token": t.last_token(ADA).await, "session_duration_minutes": 5,
        "session_token": "", "session_jwt": ""});
    let joined = t.post(AUTHENTICATE, body).await.ok();
    let token = &joined["session_token"];
    let body = json!({"session_id": "", "session_token": token, "session_jwt": ""});
    t.post("/v1/sessions/revoke", body).await.ok();
    t.authenticate_session(token).await.rejected(404, "session_not_found");
    t.get("/v1/sessions?user_id=user%20test").await.rejected(400, "invalid_user_id");
    t.get("/v1/sessions?user_id=").await.rejected(400, "invalid_user_id");
    t.post(AUTHENTICATE, json!({"token": ""})).await.rejected(400, "invalid_token");
    t.authenticate("garbled").await.rejected(404, "magic_link_not_found");
}

#[tokio::test]
async fn metadata_claims_and_external_ids_are_limited() {
    let t = TestSandbox::start().await;
    let user = async |body: Value| t.post("/v1/users", body).await;
    let large = json!({"email": ADA, "untrusted_metadata": {"a": "x".repeat(4096)}});
    user(large).await.rejected(400, "metadata_too_large");
    user(json!({"email": ADA, "trusted_metadata": 1}))
        .await
        .rejected(400, "metadata_invalid_format");
    for wrong in ["a b", "ä", &"x".repeat(129)] {
        let body = json!({"email": ADA, "external_id": wrong});
        user(body).await.rejected(400, "invalid_external_id");
    }
    user(json!({"email": ADA, "external_id": "x".repeat(128)})).await.ok();
    t.login_or_create(ADA).await.ok();
    let claims = |claims: Value| json!({"session_custom_claims": claims});
    let token = t.last_token(ADA).await;
    for (claims, error) in [
        (claims(json!({"a": "x".repeat(4096)})), "custom_claims_too_large"),
        (claims(json!({"https://stytch.com/session": 1})), "stytch_claims_in_custom_claims"),
    ] {
        let mut body = claims;
        body["token"] = json!(token);
        body["session_duration_minutes"] = json!(5);
        t.post(AUTHENTICATE, body).await.rejected(400, error);
    }
    t.authenticate(&token).await.ok();
}

#[tokio::test]
async fn authorization_checks_are_rejected_and_unsupported_routes_not_found() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    let check = json!({"resource_id": "documents", "action": "read"});
    let body = json!({"session_token": joined["session_token"], "authorization_check": check});
    let response = t.post("/v1/sessions/authenticate", body).await;
    response.rejected(403, "session_authorization_error");
    for path in [
        "/v1/sessions/migrate",
        "/v1/sessions/exchange_access_token",
        "/v1/sessions/attest",
        "/v1/impersonation/authenticate",
        "/v1/m2m/clients",
        "/v1/b2b/magic_links/email/invite",
    ] {
        t.post(path, json!({})).await.rejected(404, "route_not_found");
    }
}
