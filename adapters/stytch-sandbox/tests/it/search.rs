//! Searching users by every filter, and pagination.

use crate::harness::TestSandbox;
use serde_json::{Value, json};

async fn create(t: &TestSandbox, body: Value) -> String {
    t.post("/v1/users", body).await.ok()["user_id"].as_str().unwrap().to_owned()
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
        let response = t.post("/v1/users/search", body).await.ok();
        let results = response["results"].as_array().unwrap();
        assert_eq!(response["results_metadata"]["total"], results.len());
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
        .rejected(400, "user_search_invalid_limit");
    let odd = json!({"query": {"operator": "AND", "operands": [filter("shoe_size", json!(1))]}});
    t.post("/v1/users/search", odd).await.rejected(400, "user_search_invalid_filter");
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
    let (mut pages, mut cursor) = (Vec::new(), Value::Null);
    for length in [20, 20, 10] {
        let (users, next) = page(20, &cursor).await;
        assert_eq!((users.len(), next.is_null()), (length, length == 10));
        pages.extend(users);
        cursor = next;
    }
    assert_eq!(pages, all);
    let (half, end) = page(50, &Value::Null).await;
    assert_eq!((half.len(), end), (50, Value::Null), "no page after one that is just full");
    t.set_fault(json!({"status": 503, "times": 1})).await;
    t.post("/v1/users/search", json!({})).await.rejected(503, "server_unavailable");
    let counted = &t.stats().await["requests"]["POST /v1/users/search"];
    assert_eq!(*counted, json!({"200": 5, "503": 1}));
}

#[tokio::test]
async fn every_filter_finds_its_users_and_rejects_invalid_values() {
    let t = TestSandbox::start().await;
    let name = json!({"first_name": "Ada", "last_name": "Lovelace"});
    let ada = create(&t, json!({"email": "ada@example.com", "name": name})).await;
    t.advance_clock(3600).await;
    let bob = t.invite_and_accept("bob@example.com").await;
    let (bob_id, email) = (bob["user_id"].as_str().unwrap(), &bob["user"]["emails"][0]);
    let created = bob["user"]["created_at"].as_str().unwrap();
    let earlier: jiff::Timestamp = created.parse().unwrap();
    let earlier = earlier - jiff::SignedDuration::from_mins(30);
    let later = earlier + jiff::SignedDuration::from_hours(1);
    let search = async |name: &str, value: &Value| {
        let operands = json!([{"filter_name": name, "filter_value": value}]);
        let body = json!({"query": {"operator": "AND", "operands": operands}});
        t.post("/v1/users/search", body).await
    };
    let (only_ada, only_bob, both) = (vec![ada.as_str()], vec![bob_id], vec![&ada[..], bob_id]);
    for (name, value, expected) in [
        ("created_at_greater_than", json!(earlier), &only_bob),
        ("created_at_less_than", json!(earlier), &only_ada),
        ("created_at_between", json!({"greater_than": earlier, "less_than": later}), &only_bob),
        ("email_id", json!([email["email_id"]]), &only_bob),
        ("email_verified", json!(true), &only_bob),
        ("email_verified", json!(false), &only_ada),
        ("full_name_fuzzy", json!("a lovel"), &only_ada),
        ("email_address_fuzzy", json!("BOB@"), &only_bob),
        ("password_exists", json!(false), &both),
        ("password_exists", json!(true), &vec![]),
    ] {
        let found = search(name, &value).await.ok()["results"].take();
        let ids = found.as_array().unwrap().iter().map(|user| user["user_id"].as_str().unwrap());
        assert_eq!(ids.collect::<Vec<_>>(), *expected, "{name} {value}");
    }
    let (list, flag, text) = (json!(["x"]), json!(true), json!("long enough"));
    for (name, right, wrong) in [
        ("phone_number", &list, &text),
        ("phone_id", &list, &flag),
        ("oauth_provider", &list, &text),
        ("webauthn_registration_id", &list, &text),
        ("crypto_wallet_id", &list, &text),
        ("crypto_wallet_address", &list, &text),
        ("totp_id", &list, &text),
        ("phone_verified", &flag, &text),
        ("webauthn_registration_verified", &flag, &list),
        ("crypto_wallet_verified", &flag, &text),
        ("totp_verified", &flag, &text),
        ("phone_number_fuzzy", &text, &flag),
        ("full_name_fuzzy", &text, &json!("ab")),
        ("status", &json!("pending"), &json!("deleted")),
        ("created_at_less_than", &json!("2020-01-01T00:00:00Z"), &text),
    ] {
        assert_eq!(search(name, right).await.ok()["results"], json!([]), "{name}");
        search(name, wrong).await.rejected(400, "user_search_invalid_filter");
    }
}
