//! Invitations, logins and their links.

use crate::harness::{CALLBACK, TestSandbox};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn an_invitation_creates_a_pending_user_and_its_link_activates_them() {
    let t = TestSandbox::start().await;
    let invited = t
        .post(
            "/v1/magic_links/email/invite",
            json!({
                "email": ADA,
                "invite_magic_link_url": "http://localhost:3000/in?invitation=42",
                "name": {"first_name": "Ada", "middle_name": null, "last_name": "Lovelace"},
                "trusted_metadata": {"team": 1},
            }),
        )
        .await
        .ok();
    let id = invited["user_id"].as_str().unwrap();
    let user = t.get(&format!("/v1/users/{id}")).await.ok();
    assert_eq!(user["status"], "pending");
    assert_eq!(user["emails"][0]["email_id"], invited["email_id"]);
    assert_eq!(user["emails"][0]["verified"], false);
    assert_eq!(
        user["name"],
        json!({"first_name": "Ada", "middle_name": "", "last_name": "Lovelace"})
    );
    assert_eq!(user["trusted_metadata"], json!({"team": 1}));

    let mail = t.emails(ADA).await.remove(0);
    let token = mail["token"].as_str().unwrap();
    assert_eq!((&mail["kind"], &mail["to"], token.len()), (&json!("invite"), &json!(ADA), 44));
    let url = format!(
        "http://localhost:3000/in?invitation=42&stytch_token_type=magic_links&token={token}"
    );
    assert_eq!(mail["url"], url);

    let authenticated = t.authenticate(token).await.ok();
    assert_eq!(authenticated["user_id"], invited["user_id"]);
    assert_eq!(authenticated["method_id"], invited["email_id"]);
    assert_eq!(authenticated["user"]["status"], "active");
    assert_eq!(authenticated["user"]["emails"][0]["verified"], true);
    let factor = &authenticated["session"]["authentication_factors"][0];
    assert_eq!(factor["type"], "magic_link");
    assert_eq!(factor["delivery_method"], "email");
    assert_eq!(factor["email_factor"]["email_address"], ADA);
}

#[tokio::test]
async fn a_link_works_once() {
    let t = TestSandbox::start().await;
    t.invite(ADA).await.ok();
    let token = t.last_token(ADA).await;
    t.authenticate(&token).await.ok();
    t.authenticate(&token).await.rejected(401, "unable_to_auth_magic_link");
    t.authenticate("rM_kw42CWBhsHLF62V75jELMbvJ87njMe3tFVj7Qupu7")
        .await
        .rejected(404, "magic_link_not_found");
}

#[tokio::test]
async fn one_of_several_concurrent_requests_uses_the_link() {
    let t = TestSandbox::start().await;
    t.invite(ADA).await.ok();
    let token = t.last_token(ADA).await;
    let responses: [_; 3] =
        tokio::join!(t.authenticate(&token), t.authenticate(&token), t.authenticate(&token)).into();
    let statuses = responses.map(|response| response.status);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn without_a_duration_there_is_no_session() {
    let t = TestSandbox::start().await;
    t.invite(ADA).await.ok();
    let token = t.last_token(ADA).await;
    let body = json!({"token": token, "session_duration_minutes": null});
    let response = t.post("/v1/magic_links/authenticate", body).await.ok();
    assert_eq!(response["session_token"], "");
    assert_eq!(response["session_jwt"], "");
    assert_eq!(response["session"], Value::Null);
    assert_eq!(response["user"]["status"], "active");
    let path = format!("/v1/sessions?user_id={}", response["user_id"].as_str().unwrap());
    assert_eq!(t.get(&path).await.ok()["sessions"], json!([]));
}

#[tokio::test]
async fn a_link_expires_by_the_sandbox_clock() {
    let t = TestSandbox::start().await;
    let body = json!({"email": ADA, "invite_expiration_minutes": 5});
    t.post("/v1/magic_links/email/invite", body).await.ok();
    let early = t.last_token(ADA).await;
    t.advance_clock(299).await;
    t.invite(ADA).await.ok(); // Expires after the default, an hour.
    let late = t.last_token(ADA).await;
    t.advance_clock(2).await;
    t.authenticate(&early).await.rejected(401, "unable_to_auth_magic_link");
    t.advance_clock(3590).await;
    t.authenticate(&late).await.ok();
}

#[tokio::test]
async fn an_invalid_request_does_not_use_the_link() {
    let t = TestSandbox::start().await;
    t.invite(ADA).await.ok();
    let token = t.last_token(ADA).await;
    for minutes in [4, 527_041] {
        let body = json!({"token": token, "session_duration_minutes": minutes});
        let response = t.post("/v1/magic_links/authenticate", body).await;
        response.rejected(400, "invalid_session_duration_minutes");
    }
    let claims = json!({"sub": "someone else"});
    let body =
        json!({"token": token, "session_duration_minutes": 5, "session_custom_claims": claims});
    let response = t.post("/v1/magic_links/authenticate", body).await;
    response.rejected(400, "reserved_claims_in_custom_claims");
    t.authenticate(&token).await.ok();
}

#[tokio::test]
async fn inviting_again_finds_the_same_pending_user_and_both_links_work() {
    let t = TestSandbox::start().await;
    let first = t.invite(ADA).await.ok();
    let second = t.invite("ADA@Example.com ").await.ok();
    assert_eq!(first["user_id"], second["user_id"]);
    let tokens: Vec<_> = t.emails(ADA).await.iter().map(|mail| mail["token"].clone()).collect();
    assert_eq!(tokens.len(), 2);
    for token in tokens {
        t.authenticate(token.as_str().unwrap()).await.ok();
    }
    t.invite(ADA).await.rejected(400, "duplicate_email");
}

#[tokio::test]
async fn a_revoked_invitation_does_not_work_but_its_user_stays_pending() {
    let t = TestSandbox::start().await;
    let invited = t.invite(ADA).await.ok();
    let token = t.last_token(ADA).await;
    t.post("/v1/magic_links/email/revoke_invite", json!({"email": ADA})).await.ok();
    t.authenticate(&token).await.rejected(404, "magic_link_not_found");
    let user = t.get(&format!("/v1/users/{}", invited["user_id"].as_str().unwrap())).await.ok();
    assert_eq!(user["status"], "pending");
    assert_eq!(t.emails(ADA).await.len(), 1, "the mail was sent all the same");
    let unknown = json!({"email": "nobody@example.com"});
    let response = t.post("/v1/magic_links/email/revoke_invite", unknown).await;
    response.rejected(404, "email_not_found");
    t.invite(ADA).await.ok();
    t.authenticate(&t.last_token(ADA).await).await.ok();
}

#[tokio::test]
async fn login_or_create_creates_unknown_users_and_finds_others() {
    let t = TestSandbox::start().await;
    let created = t.login_or_create("new@example.com").await.ok();
    assert_eq!(created["user_created"], true);
    let again = t.login_or_create("new@example.com").await.ok();
    assert_eq!((&again["user_created"], &again["user_id"]), (&json!(false), &created["user_id"]));
    t.invite(ADA).await.ok();
    t.login_or_create(ADA).await.ok(); // Still pending.
    let kinds = async |to| -> Vec<_> {
        t.emails(to).await.iter().map(|mail| mail["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds("new@example.com").await, ["signup", "login"]);
    assert_eq!(kinds(ADA).await, ["invite", "signup"]);
    let pending = json!({"email": "p@example.com", "create_user_as_pending": true});
    let created = t.post("/v1/magic_links/email/login_or_create", pending).await.ok();
    let user = t.get(&format!("/v1/users/{}", created["user_id"].as_str().unwrap())).await.ok();
    assert_eq!(user["status"], "pending");
}

#[tokio::test]
async fn send_needs_a_known_address() {
    let t = TestSandbox::start().await;
    let send = async || t.post("/v1/magic_links/email/send", json!({"email": ADA})).await;
    send().await.rejected(404, "email_not_found");
    let joined = t.invite_and_accept(ADA).await;
    assert_eq!(send().await.ok()["user_id"], joined["user_id"]);
}

#[tokio::test]
async fn a_further_address_is_kept_once_authenticated() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    let body = json!({"email": "other@example.com", "session_token": joined["session_token"]});
    t.post("/v1/magic_links/email/send", body).await.ok();
    let authenticated = t.authenticate(&t.last_token("other@example.com").await).await.ok();
    t.advance_clock(301).await;
    assert_eq!(authenticated["user_id"], joined["user_id"]);
    let email = &authenticated["user"]["emails"][1];
    assert_eq!(email["verified"], true);
    let path = format!("/v1/users/emails/{}", email["email_id"].as_str().unwrap());
    let left = t.delete(&path).await.ok()["user"]["emails"].take();
    assert_eq!(left.as_array().unwrap().len(), 1);
    let path = format!("/v1/users/emails/{}", left[0]["email_id"].as_str().unwrap());
    t.delete(&path).await.rejected(400, "cannot_delete_last_primary_factor");
}

#[tokio::test]
async fn a_further_address_never_authenticated_is_free_after_five_minutes() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    let body = json!({"email": "other@example.com", "user_id": joined["user_id"]});
    t.post("/v1/magic_links/email/send", body).await.ok();
    t.invite("other@example.com").await.rejected(400, "duplicate_email");
    t.advance_clock(301).await;
    let late = t.last_token("other@example.com").await;
    t.authenticate(&late).await.rejected(401, "unable_to_auth_magic_link");
    let other = t.invite("other@example.com").await.ok();
    assert_ne!(other["user_id"], joined["user_id"]);
    let ada = t.get(&format!("/v1/users/{}", joined["user_id"].as_str().unwrap())).await.ok();
    assert_eq!(ada["emails"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn pkce_binds_the_link_to_its_verifier() {
    let t = TestSandbox::start().await;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest("the verifier"));
    let body = json!({"email": ADA, "code_challenge": challenge});
    t.post("/v1/magic_links/email/login_or_create", body).await.ok();
    let token = t.last_token(ADA).await;
    let authenticate = async |verifier: Value| {
        let body = json!({"token": token, "code_verifier": verifier});
        t.post("/v1/magic_links/authenticate", body).await
    };
    authenticate(Value::Null).await.rejected(400, "pkce_expected_code_verifier");
    authenticate(json!("another")).await.rejected(400, "pkce_mismatch");
    authenticate(json!("the verifier")).await.ok();
}

#[tokio::test]
async fn one_mail_per_second_and_address_is_sent_across_all_routes() {
    let t = TestSandbox::start_with(|options| options.mail_limit = true).await;
    t.invite(ADA).await.ok();
    t.invite(ADA).await.rejected(429, "too_many_requests");
    t.login_or_create(ADA).await.rejected(429, "too_many_requests");
    let send = t.post("/v1/magic_links/email/send", json!({"email": ADA})).await;
    send.rejected(429, "too_many_requests");
    t.invite("bob@example.com").await.ok();
    t.advance_clock(1).await;
    t.login_or_create(ADA).await.ok();
    assert_eq!(t.emails(ADA).await.len(), 2);
}

#[tokio::test]
async fn invalid_requests_are_rejected_with_the_error_type_of_the_field() {
    let t = TestSandbox::start().await;
    let invite = async |body: Value| t.post("/v1/magic_links/email/invite", body).await;
    for email in [json!("nobody"), json!(""), Value::Null] {
        invite(json!({"email": email})).await.rejected(400, "invalid_email");
    }
    invite(json!({"email": 7})).await.rejected(400, "bad_request");
    for minutes in [4, 10_081] {
        invite(json!({"email": ADA, "invite_expiration_minutes": minutes}))
            .await
            .rejected(400, "invalid_expiration");
    }
    invite(json!({"email": ADA, "locale": "ptbr"})).await.rejected(400, "invalid_locale");
    invite(json!({"email": ADA, "trusted_metadata": []}))
        .await
        .rejected(400, "metadata_invalid_format");
    let far = json!({"email": ADA, "invite_magic_link_url": "https://example.com/in"});
    invite(far).await.rejected(400, "no_match_for_provided_magic_link_url");
    let odd = json!({"email": ADA, "invite_magic_link_url": "not a url"});
    invite(odd).await.rejected(400, "invalid_magic_link_url");
    assert_eq!(t.emails(ADA).await.len(), 0);
    let absent = json!({"email": ADA, "locale": null, "name": null, "attributes": null,
        "trusted_metadata": null, "invite_magic_link_url": null, "invite_template_id": null,
        "invite_expiration_minutes": null, "untrusted_metadata": null, "telemetry_id": "x"});
    invite(absent).await.ok();
    let url = t.emails(ADA).await[0]["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("{CALLBACK}?stytch_token_type=magic_links&token=")), "{url}");
}

#[tokio::test]
async fn the_fixed_sandbox_values_are_supported() {
    let t = TestSandbox::start_with(|options| options.mail_limit = true).await;
    let user_id = "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd";
    for _ in 0..2 {
        assert_eq!(t.invite("sandbox@stytch.com").await.ok()["user_id"], user_id);
        assert_eq!(t.login_or_create("sandbox@stytch.com").await.ok()["user_id"], user_id);
        let authenticated =
            t.authenticate("DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=").await.ok();
        assert_eq!(authenticated["user_id"], user_id);
        assert_eq!(authenticated["session"]["user_id"], user_id);
        let resumed = t
            .authenticate_session(&json!("WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY"))
            .await
            .ok();
        assert_eq!(resumed["session_token"], "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY");
        let id = "session-test-eb94233f-8800-4ebd-8645-51dc15f9d028";
        assert_eq!(resumed["session"]["session_id"], id);
        assert_eq!(resumed["session"]["started_at"], "2021-08-28T00:41:58.935673Z");
        for call in ["send", "revoke_invite"] {
            let path = format!("/v1/magic_links/email/{call}");
            t.post(&path, json!({"email": "sandbox@stytch.com"})).await.ok();
        }
    }
    t.authenticate("3pzjQpgksDlGKWEwUq2Up--hCHC_0oamfLHyfspKDFU=")
        .await
        .rejected(401, "unable_to_auth_magic_link");
    t.authenticate("CprTtwhnRNiMBiUS2jSLcWYrfuO2POeBNdo5HhW6qTM=")
        .await
        .rejected(404, "magic_link_not_found");
    t.authenticate_session(&json!("59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw"))
        .await
        .rejected(404, "session_not_found");
    t.get(&format!("/v1/sessions?user_id={user_id}")).await.rejected(404, "user_not_found");
    assert_eq!(t.emails("sandbox@stytch.com").await.len(), 0);
}
