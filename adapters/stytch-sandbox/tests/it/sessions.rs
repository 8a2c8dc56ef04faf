//! Sessions, their JWTs and keys.

use crate::harness::{ApiResponse, TestSandbox, verified_claims};
use reqwest::Method;
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn a_session_is_resumed_listed_and_revoked() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    let token = &joined["session_token"];
    let user_id = joined["user_id"].as_str().unwrap();
    t.advance_clock(60).await;
    let resumed = t.authenticate_session(token).await.ok();
    assert_eq!(resumed["session_token"], *token);
    assert_eq!(resumed["session"]["session_id"], joined["session"]["session_id"]);
    assert_eq!(resumed["user"]["user_id"], user_id);
    assert_ne!(resumed["session"]["last_accessed_at"], joined["session"]["last_accessed_at"]);
    let list = async || t.get(&format!("/v1/sessions?user_id={user_id}")).await.ok();
    let listed = list().await["sessions"][0]["session_id"].clone();
    assert_eq!(listed, joined["session"]["session_id"]);

    let revoke = json!({"session_id": listed, "session_token": null, "session_jwt": null});
    t.post("/v1/sessions/revoke", revoke.clone()).await.ok();
    t.authenticate_session(token).await.rejected(404, "session_not_found");
    t.post("/v1/sessions/revoke", revoke).await.rejected(404, "session_not_found");
    assert_eq!(list().await["sessions"], json!([]));
}

#[tokio::test]
async fn a_session_can_be_revoked_by_token_and_by_jwt() {
    let t = TestSandbox::start().await;
    for name in ["session_token", "session_jwt"] {
        let joined = t.invite_and_accept(&format!("{name}@example.com")).await;
        t.post("/v1/sessions/revoke", json!({name: joined[name]})).await.ok();
        t.authenticate_session(&joined["session_token"]).await.rejected(404, "session_not_found");
    }
}

#[tokio::test]
async fn only_a_duration_moves_the_end_of_a_session() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    let (token, end) = (&joined["session_token"], &joined["session"]["expires_at"]);
    t.advance_clock(3000).await;
    assert_eq!(t.authenticate_session(token).await.ok()["session"]["expires_at"], *end);
    let extend = json!({"session_token": token, "session_duration_minutes": 120});
    let extended = t.post("/v1/sessions/authenticate", extend).await.ok();
    assert_ne!(extended["session"]["expires_at"], *end);
    t.advance_clock(7190).await;
    t.authenticate_session(token).await.ok();
    t.advance_clock(20).await;
    t.authenticate_session(token).await.rejected(404, "session_not_found");
}

#[tokio::test]
async fn the_arguments_of_a_session_call_are_checked() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    let (token, jwt) = (&joined["session_token"], &joined["session_jwt"]);
    let authenticate = async |body: Value| t.post("/v1/sessions/authenticate", body).await;
    authenticate(json!({})).await.rejected(400, "no_session_arguments");
    let both = json!({"session_token": token, "session_jwt": jwt});
    authenticate(both.clone()).await.rejected(400, "too_many_session_arguments");
    authenticate(json!({"session_token": "short"})).await.rejected(400, "invalid_session_token");
    authenticate(json!({"session_jwt": "a.b.c"}))
        .await
        .rejected(400, "unable_to_parse_session_jwt");
    let long = json!({"session_token": token, "session_duration_minutes": 527_041});
    authenticate(long).await.rejected(400, "invalid_session_duration_minutes");
    let revoke = async |body: Value| t.post("/v1/sessions/revoke", body).await;
    revoke(json!({})).await.rejected(400, "no_session_revoke_arguments");
    revoke(both).await.rejected(400, "too_many_session_revoke_arguments");
    revoke(json!({"session_id": "x"})).await.rejected(400, "invalid_session_id");
    t.get("/v1/sessions").await.rejected(400, "invalid_user_id");
    t.get("/v1/sessions?user_id=user-test-x").await.rejected(404, "user_not_found");
}

#[tokio::test]
async fn the_jwt_verifies_with_the_published_keys_and_has_stytch_s_claims() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    let claims = verified_claims(&t, joined["session_jwt"].as_str().unwrap()).await;
    assert_eq!(claims["aud"], json!([t.credentials.project_id]));
    assert_eq!(claims["sub"], joined["user_id"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert_eq!(claims["nbf"], claims["iat"]);
    let session = &claims["https://stytch.com/session"];
    assert_eq!(session["id"], joined["session"]["session_id"]);
    for name in
        ["started_at", "last_accessed_at", "expires_at", "attributes", "authentication_factors"]
    {
        assert_eq!(session[name], joined["session"][name], "{name}");
    }
    assert_eq!(session["roles"], json!(["stytch_user"]));
}

#[tokio::test]
async fn the_keys_need_no_credentials_and_have_all_nine_members() {
    let t = TestSandbox::start().await;
    let path = format!("/v1/sessions/jwks/{}", t.credentials.project_id);
    let open = t.unauthenticated(Method::GET, &path).send().await.unwrap();
    let keys = ApiResponse::of(open).await.ok()["keys"].take();
    let mut members: Vec<_> = keys[0].as_object().unwrap().keys().cloned().collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "e", "key_ops", "kid", "kty", "n", "use", "x5c", "x5tS256"]);
    let other = "/v1/sessions/jwks/project-test-11111111-1111-4111-8111-111111111111";
    t.get(other).await.rejected(404, "project_not_found");
    t.get("/v1/sessions/jwks/mine").await.rejected(400, "invalid_project_id");
}

#[tokio::test]
async fn an_expired_jwt_is_refreshed_while_its_session_lives() {
    let t = TestSandbox::start().await;
    t.advance_clock(-5000).await; // So that it has also expired by the system's clock.
    let joined = t.invite_and_accept(ADA).await;
    t.advance_clock(1000).await;
    let old = json!({"session_jwt": joined["session_jwt"]});
    let fresh = t.post("/v1/sessions/authenticate", old.clone()).await.ok();
    assert_eq!(fresh["session_token"], joined["session_token"]);
    let before = verified_claims(&t, joined["session_jwt"].as_str().unwrap()).await;
    let after = verified_claims(&t, fresh["session_jwt"].as_str().unwrap()).await;
    assert!(after["iat"].as_i64().unwrap() - before["iat"].as_i64().unwrap() >= 1000);
    t.advance_clock(3000).await;
    t.post("/v1/sessions/authenticate", old).await.rejected(404, "session_not_found");
}

#[tokio::test]
async fn a_jwt_of_another_key_or_project_is_rejected() {
    let (t, other) = (TestSandbox::start().await, TestSandbox::start().await);
    let foreign = other.invite_and_accept(ADA).await;
    let body = json!({"session_jwt": foreign["session_jwt"]});
    t.post("/v1/sessions/authenticate", body).await.rejected(400, "unable_to_parse_session_jwt");
    let ours = t.invite_and_accept(ADA).await["session_jwt"].as_str().unwrap().to_owned();
    let (head, signature) = ours.rsplit_once('.').unwrap();
    let forged = format!("{}.{signature}", head.replacen('.', ".e30", 1));
    let body = json!({"session_jwt": forged});
    t.post("/v1/sessions/authenticate", body).await.rejected(400, "unable_to_parse_session_jwt");
}

#[tokio::test]
async fn a_rotated_key_stays_published_for_a_month() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    let rotated = t.post("/sandbox/jwks/rotate", json!({})).await.ok();
    let resumed = t.authenticate_session(&joined["session_token"]).await.ok();
    verified_claims(&t, joined["session_jwt"].as_str().unwrap()).await;
    verified_claims(&t, resumed["session_jwt"].as_str().unwrap()).await;
    let kids = async || -> Vec<Value> {
        let path = format!("/v1/sessions/jwks/{}", t.credentials.project_id);
        let keys = t.get(&path).await.ok()["keys"].take();
        keys.as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
    };
    assert_eq!(kids().await.len(), 2);
    t.advance_clock(31 * 24 * 3600).await;
    assert_eq!(kids().await, [rotated["kid"].clone()]);
}

#[tokio::test]
async fn custom_claims_are_merged_and_at_the_top_level_of_the_jwt() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    let set = async |claims: Value| {
        let body =
            json!({"session_token": joined["session_token"], "session_custom_claims": claims});
        t.post("/v1/sessions/authenticate", body).await
    };
    set(json!({"team": {"id": 1}, "plan": "free"})).await.ok();
    let last = set(json!({"team": {"name": "A"}, "plan": null})).await.ok();
    let expected = json!({"team": {"id": 1, "name": "A"}});
    assert_eq!(last["session"]["custom_claims"], expected);
    let claims = verified_claims(&t, last["session_jwt"].as_str().unwrap()).await;
    assert_eq!(claims["team"], expected["team"]);
    set(json!({"exp": 1})).await.rejected(400, "reserved_claims_in_custom_claims");
}

#[tokio::test]
async fn a_further_link_extends_the_session_it_is_given() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    t.login_or_create(ADA).await.ok();
    let body = json!({
        "token": t.last_token(ADA).await,
        "session_token": joined["session_token"],
        "session_duration_minutes": 600,
    });
    let response = t.post("/v1/magic_links/authenticate", body).await.ok();
    assert_eq!(response["session_token"], joined["session_token"]);
    assert_ne!(response["session"]["expires_at"], joined["session"]["expires_at"]);
    assert_eq!(response["session"]["authentication_factors"].as_array().unwrap().len(), 1);
}
