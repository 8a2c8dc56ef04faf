//! Users, and what all responses have in common.

use crate::harness::{ApiResponse, TestSandbox};
use reqwest::Method;
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";

async fn create(t: &TestSandbox, body: Value) -> String {
    t.post("/v1/users", body).await.ok()["user_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_is_created_read_and_updated() {
    let t = TestSandbox::start().await;
    let id = create(&t, json!({"email": ADA, "trusted_metadata": {"a": 1, "b": 2}})).await;
    t.post("/v1/users", json!({"email": ADA})).await.rejected(400, "duplicate_email");
    t.post("/v1/users", json!({})).await.rejected(400, "invalid_create_user_request");
    let changed = t
        .put(
            &format!("/v1/users/{id}"),
            json!({
                "user_id": id,
                "name": {"first_name": "Ada"},
                "trusted_metadata": {"b": null, "c": 3},
                "untrusted_metadata": null,
                "external_id": "crm|42",
            }),
        )
        .await
        .ok();
    assert_eq!(changed["user"]["trusted_metadata"], json!({"a": 1, "c": 3}));
    let read = t.get("/v1/users/crm%7C42").await.ok();
    assert_eq!(read["user_id"], id.as_str());
    assert_eq!((&read["name"]["first_name"], &read["status"]), (&json!("Ada"), &json!("active")));
    let other = create(&t, json!({"email": "bob@example.com"})).await;
    t.put(&format!("/v1/users/{other}"), json!({"external_id": "crm|42"}))
        .await
        .rejected(400, "duplicate_user_external_id");
    let many: Value =
        (0..21).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>().into();
    t.put(&format!("/v1/users/{other}"), json!({"trusted_metadata": many}))
        .await
        .rejected(400, "metadata_too_many_keys");
}

#[tokio::test]
async fn a_user_has_every_member_that_strict_sdks_require() {
    let t = TestSandbox::start().await;
    let id = create(&t, json!({"email": ADA})).await;
    let user = t.get(&format!("/v1/users/{id}")).await.ok();
    for list in [
        "emails",
        "phone_numbers",
        "webauthn_registrations",
        "providers",
        "totps",
        "crypto_wallets",
        "biometric_registrations",
        "roles",
    ] {
        assert!(user[list].is_array(), "{list}");
    }
    assert_eq!(user["is_locked"], false);
    let created = user["created_at"].as_str().unwrap();
    assert!(created.len() == 20 && created.ends_with('Z'), "whole seconds: {created}");
}

#[tokio::test]
async fn deleting_a_user_ends_their_sessions_and_frees_the_address() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    t.login_or_create(ADA).await.ok();
    let outstanding = t.last_token(ADA).await;
    let path = format!("/v1/users/{}", joined["user_id"].as_str().unwrap());
    assert_eq!(t.delete(&path).await.ok()["user_id"], joined["user_id"]);
    t.delete(&path).await.rejected(404, "user_not_found");
    t.get(&path).await.rejected(404, "user_not_found");
    t.authenticate_session(&joined["session_token"]).await.rejected(404, "session_not_found");
    let revoke = json!({"session_id": joined["session"]["session_id"]});
    t.post("/v1/sessions/revoke", revoke).await.rejected(404, "session_not_found");
    t.authenticate(&outstanding).await.rejected(404, "magic_link_not_found");
    let again = t.invite_and_accept(ADA).await;
    assert_ne!(again["user_id"], joined["user_id"]);
}

#[tokio::test]
async fn the_only_address_of_a_user_can_be_exchanged() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    let id = joined["user_id"].as_str().unwrap();
    t.login_or_create(ADA).await.ok();
    let to_the_old = t.last_token(ADA).await;
    let path = format!("/v1/users/{id}/exchange_primary_factor");
    let exchange = async |body: Value| t.put(&path, body).await;
    for wrong in [
        json!({}),
        json!({"phone_number": "+15005550006"}),
        json!({"email_address": "new@example.com", "phone_number": "+15005550006"}),
    ] {
        exchange(wrong).await.rejected(400, "invalid_exchange_primary_factor_fields");
    }
    exchange(json!({"email_address": "new"})).await.rejected(400, "invalid_email");
    create(&t, json!({"email": "bob@example.com"})).await;
    for taken in ["bob@example.com", ADA] {
        exchange(json!({"email_address": taken})).await.rejected(400, "duplicate_email");
    }
    let body = json!({"email_address": "New@example.com", "phone_number": null, "user_id": id});
    let user = exchange(body).await.ok()["user"].take();
    assert_eq!(user["emails"].as_array().unwrap().len(), 1);
    assert_eq!(user["emails"][0]["email"], "new@example.com");
    assert_eq!(user["emails"][0]["verified"], false);
    t.authenticate(&to_the_old).await.rejected(404, "magic_link_not_found");
    assert_eq!(t.login_or_create("new@example.com").await.ok()["user_id"], id);
    assert_ne!(t.login_or_create(ADA).await.ok()["user_id"], id);

    let further = json!({"email": "further@example.com", "user_id": id});
    t.post("/v1/magic_links/email/send", further).await.ok();
    let two = exchange(json!({"email_address": "third@example.com"})).await;
    two.rejected(400, "invalid_exchange_primary_factor_user");
    let unknown = "/v1/users/user-test-none/exchange_primary_factor";
    t.put(unknown, json!({"email_address": "x@y.org"})).await.rejected(404, "user_not_found");
}

#[tokio::test]
async fn additional_fields_and_encodings_of_the_sdks_are_accepted() {
    let t = TestSandbox::start().await;
    let id =
        create(&t, json!({"email": ADA, "name": null, "external_id": null, "roles": null})).await;
    let encoded = id.replace('-', "%2D");
    let path = format!("/v1/users/{encoded}?user_id={id}");
    for body in ["", "{}", "null", "not json"] {
        let request = t.request(Method::GET, &path).body(body);
        let user = ApiResponse::of(request.send().await.unwrap()).await.ok();
        assert_eq!(user["user_id"], id.as_str(), "{body:?}");
    }
    let jwks = format!(
        "/v1/sessions/jwks/{}?project_id={}",
        t.credentials.project_id.replace('-', "%2D"),
        t.credentials.project_id
    );
    t.get(&jwks).await.ok();
    let request = t.request(Method::DELETE, &path).json(&json!({"user_id": id}));
    ApiResponse::of(request.send().await.unwrap()).await.ok();
}

#[tokio::test]
async fn every_response_has_its_status_code_and_a_request_id() {
    let t = TestSandbox::start().await;
    let response = t.get("/v1/debug/whoami").await.ok();
    assert_eq!(
        (&response["status_code"], &response["project_id"]),
        (&json!(200), &json!(t.credentials.project_id))
    );
    assert!(response["request_id"].as_str().unwrap().starts_with("request-id-test-"));
    let response = t.request(Method::GET, "/v1/debug/whoami").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn wrong_credentials_are_rejected_with_stytch_s_errors() {
    let t = TestSandbox::start().await;
    let project_id = t.credentials.project_id.clone();
    let other = "project-test-11111111-1111-4111-8111-111111111111";
    let call = async |id: &str, secret: &str| {
        let request =
            t.unauthenticated(Method::GET, "/v1/debug/whoami").basic_auth(id, Some(secret));
        ApiResponse::of(request.send().await.unwrap()).await
    };
    call(&project_id, "wrong").await.rejected(401, "unauthorized_credentials");
    call(other, &t.credentials.secret).await.rejected(401, "unauthorized_credentials");
    call("nonsense", "x").await.rejected(400, "invalid_project_id_authentication");
    let bare = t
        .unauthenticated(Method::POST, "/v1/magic_links/email/invite")
        .body("{}")
        .send()
        .await
        .unwrap();
    ApiResponse::of(bare).await.rejected(401, "unauthorized_credentials");
}

#[tokio::test]
async fn unknown_routes_wrong_methods_and_huge_bodies_are_rejected_in_the_envelope() {
    let t = TestSandbox::start().await;
    for unknown in ["/v1", "/v1/", "/v1/user", "/v1/users/", "/v1/users/a/b", "/v1/nothing"] {
        t.get(unknown).await.rejected(404, "route_not_found");
    }
    let patch = t.request(Method::PATCH, "/v1/users").send().await.unwrap();
    ApiResponse::of(patch).await.rejected(405, "method_not_allowed");
    let no_credentials = t.unauthenticated(Method::GET, "/v1/users").send().await.unwrap();
    ApiResponse::of(no_credentials).await.rejected(405, "method_not_allowed");
    t.get("/v1/magic_links/authenticate").await.rejected(405, "method_not_allowed");
    t.get("/v1/users/user%20x").await.rejected(400, "invalid_user_id");
    let huge = t.request(Method::POST, "/v1/users").body(vec![b' '; 2 << 20]);
    ApiResponse::of(huge.send().await.unwrap()).await.rejected(413, "bad_request");
}
