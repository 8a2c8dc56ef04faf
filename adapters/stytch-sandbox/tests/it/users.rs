//! Users: made, found, changed, deleted; and what every call has in common.

use crate::harness::{Answer, TestSandbox};
use reqwest::Method;
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";

async fn create(t: &TestSandbox, body: Value) -> String {
    t.post("/v1/users", body).await.ok()["user_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_is_made_read_and_changed() {
    let t = TestSandbox::start().await;
    let id = create(&t, json!({"email": ADA, "trusted_metadata": {"a": 1, "b": 2}})).await;
    t.post("/v1/users", json!({"email": ADA})).await.refused(400, "duplicate_email");
    t.post("/v1/users", json!({})).await.refused(400, "invalid_create_user_request");
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
        .refused(400, "duplicate_user_external_id");
    let many: Value =
        (0..21).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>().into();
    t.put(&format!("/v1/users/{other}"), json!({"trusted_metadata": many}))
        .await
        .refused(400, "metadata_too_many_keys");
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
    let joined = t.join(ADA).await;
    t.login_or_create(ADA).await.ok();
    let outstanding = t.last_token(ADA).await;
    let path = format!("/v1/users/{}", joined["user_id"].as_str().unwrap());
    assert_eq!(t.delete(&path).await.ok()["user_id"], joined["user_id"]);
    t.delete(&path).await.refused(404, "user_not_found");
    t.get(&path).await.refused(404, "user_not_found");
    t.resume(&joined["session_token"]).await.refused(404, "session_not_found");
    let revoke = json!({"session_id": joined["session"]["session_id"]});
    t.post("/v1/sessions/revoke", revoke).await.refused(404, "session_not_found");
    t.authenticate(&outstanding).await.refused(404, "magic_link_not_found");
    let again = t.join(ADA).await;
    assert_ne!(again["user_id"], joined["user_id"]);
}

#[tokio::test]
async fn search_finds_by_address_id_and_state_and_pages_in_order() {
    let t = TestSandbox::start().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let body =
            json!({"email": format!("user{n}@example.com"), "create_user_as_pending": n == 4});
        ids.push(create(&t, body).await);
    }
    let found = async |operator: &str, operands: Value| -> Vec<String> {
        let query = json!({"operator": operator, "operands": operands});
        let body = json!({"limit": null, "cursor": null, "query": query});
        let answer = t.post("/v1/users/search", body).await.ok();
        let results = answer["results"].as_array().unwrap();
        assert_eq!(answer["results_metadata"]["total"], results.len());
        results.iter().map(|user| user["user_id"].as_str().unwrap().to_owned()).collect()
    };
    let filter = |name: &str, value: Value| json!({"filter_name": name, "filter_value": value});
    let addresses =
        filter("email_address", json!(["USER3@example.com", "user1@example.com", "x@y.z"]));
    assert_eq!(found("AND", json!([addresses])).await, [ids[1].clone(), ids[3].clone()]);
    let active = filter("status", json!("active"));
    assert_eq!(found("AND", json!([active])).await, ids[..4]);
    let pending = filter("status", json!("pending"));
    assert_eq!(found("AND", json!([pending, addresses])).await, [""; 0]);
    let by_id = filter("user_id", json!([ids[0]]));
    assert_eq!(found("OR", json!([by_id, pending])).await, [ids[0].clone(), ids[4].clone()]);
    assert_eq!(
        found("AND", json!([filter("email_address_fuzzy", json!("SER2"))])).await,
        [ids[2].clone()]
    );
    assert_eq!(found("AND", json!([])).await, ids);

    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = t.post("/v1/users/search", json!({"limit": 2, "cursor": cursor})).await.ok();
        assert_eq!(page["results_metadata"]["total"], 5);
        let results = page["results"].as_array().unwrap();
        seen.extend(results.iter().map(|user| user["user_id"].as_str().unwrap().to_owned()));
        cursor = page["results_metadata"]["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen, ids);
    t.post("/v1/users/search", json!({"limit": 1001}))
        .await
        .refused(400, "user_search_invalid_limit");
    let odd = json!({"query": {"operator": "AND", "operands": [filter("shoe_size", json!(1))]}});
    t.post("/v1/users/search", odd).await.refused(400, "user_search_invalid_filter");
}

#[tokio::test]
async fn a_search_takes_many_addresses_and_pages_through_those_it_finds() {
    let t = TestSandbox::start().await;
    let mut ids = Vec::new();
    for n in 0..150 {
        ids.push(create(&t, json!({"email": format!("user{n}@example.com")})).await);
    }
    let addresses: Vec<_> = (100..1000).rev().map(|n| format!("User{n}@Example.com")).collect();
    let operand = json!({"filter_name": "email_address", "filter_value": addresses});
    let query = json!({"operator": "AND", "operands": [operand]});
    let page = async |limit: usize, cursor: &Value| -> (Vec<Value>, Value) {
        let body = json!({"limit": limit, "cursor": cursor, "query": query});
        let mut page = t.post("/v1/users/search", body).await.ok();
        assert_eq!(page["results_metadata"]["total"], 50);
        let Value::Array(users) = page["results"].take() else { panic!("{page}") };
        (users, page["results_metadata"]["next_cursor"].take())
    };
    let (all, end) = page(1000, &Value::Null).await;
    assert_eq!(end, Value::Null);
    let found: Vec<_> = all.iter().map(|user| user["user_id"].as_str().unwrap()).collect();
    assert_eq!(found, ids[100..]);
    for user in &all {
        let created_at = user["created_at"].as_str().unwrap();
        assert_eq!(created_at.len(), "2026-11-23T10:00:00Z".len(), "{created_at}");
        created_at.parse::<jiff::Timestamp>().unwrap();
    }
    let (mut pieces, mut cursor) = (Vec::new(), Value::Null);
    for length in [20, 20, 10] {
        let (users, next) = page(20, &cursor).await;
        assert_eq!((users.len(), next.is_null()), (length, length == 10));
        pieces.extend(users);
        cursor = next;
    }
    assert_eq!(pieces, all);
    let (half, end) = page(50, &Value::Null).await;
    assert_eq!((half.len(), end), (50, Value::Null), "no page after one that is just full");
    t.fault(json!({"status": 503, "times": 1})).await;
    t.post("/v1/users/search", json!({})).await.refused(503, "server_unavailable");
    let counted = &t.stats().await["requests"]["POST /v1/users/search"];
    assert_eq!(*counted, json!({"200": 5, "503": 1}));
}

#[tokio::test]
async fn what_the_sdks_send_besides_is_tolerated() {
    let t = TestSandbox::start().await;
    let id =
        create(&t, json!({"email": ADA, "name": null, "external_id": null, "roles": null})).await;
    let encoded = id.replace('-', "%2D");
    let path = format!("/v1/users/{encoded}?user_id={id}");
    for body in ["", "{}", "null", "not json"] {
        let request = t.request(Method::GET, &path).body(body);
        let user = Answer::of(request.send().await.unwrap()).await.ok();
        assert_eq!(user["user_id"], id.as_str(), "{body:?}");
    }
    let jwks = format!(
        "/v1/sessions/jwks/{}?project_id={}",
        t.credentials.project_id.replace('-', "%2D"),
        t.credentials.project_id
    );
    t.get(&jwks).await.ok();
    let request = t.request(Method::DELETE, &path).json(&json!({"user_id": id}));
    Answer::of(request.send().await.unwrap()).await.ok();
}

#[tokio::test]
async fn every_answer_carries_its_status_and_a_request_id() {
    let t = TestSandbox::start().await;
    let answer = t.get("/v1/debug/whoami").await.ok();
    assert_eq!(
        (&answer["status_code"], &answer["project_id"]),
        (&json!(200), &json!(t.credentials.project_id))
    );
    assert!(answer["request_id"].as_str().unwrap().starts_with("request-id-test-"));
    let response = t.request(Method::GET, "/v1/debug/whoami").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn wrong_credentials_are_refused_as_stytch_refuses_them() {
    let t = TestSandbox::start().await;
    let project_id = t.credentials.project_id.clone();
    let other = "project-test-11111111-1111-4111-8111-111111111111";
    let call = async |id: &str, secret: &str| {
        let request = t.bare(Method::GET, "/v1/debug/whoami").basic_auth(id, Some(secret));
        Answer::of(request.send().await.unwrap()).await
    };
    call(&project_id, "wrong").await.refused(401, "unauthorized_credentials");
    call(other, &t.credentials.secret).await.refused(401, "unauthorized_credentials");
    call("nonsense", "x").await.refused(400, "invalid_project_id_authentication");
    let bare =
        t.bare(Method::POST, "/v1/magic_links/email/invite").body("{}").send().await.unwrap();
    Answer::of(bare).await.refused(401, "unauthorized_credentials");
}

#[tokio::test]
async fn unknown_routes_wrong_methods_and_huge_bodies_are_refused_in_the_same_envelope() {
    let t = TestSandbox::start().await;
    t.get("/v1/nothing").await.refused(404, "route_not_found");
    t.get("/v1/magic_links/authenticate").await.refused(405, "method_not_allowed");
    t.get("/v1/users/user%20x").await.refused(400, "invalid_user_id");
    let huge = t.request(Method::POST, "/v1/users").body(vec![b' '; 2 << 20]);
    Answer::of(huge.send().await.unwrap()).await.refused(413, "bad_request");
}
