//! The audit log in the API.

use guestlist_tests::{Caller, Engine, Guestlist, id, on_every_engine, user_path};
use reqwest::Method;
use serde_json::{Value, json};

async fn audit_events(api: &Caller, query: &str) -> Vec<Value> {
    api.get(&format!("/v1/audit?{query}")).await.is(200).items()
}

fn kinds(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn audit_events_have_actor_user_and_client() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).env("TRUSTED_PROXIES", "127.0.0.0/8").start().await;
        let admin = guestlist.admin().await;
        let _ = guestlist.member("ada@example.com").await;
        let ada = guestlist.user("ada@example.com").await;
        let far = admin.caller().with("sec-fetch-site", "same-origin");
        let far = far.with("x-forwarded-for", "2001:db8::7");
        let path = user_path(&ada);
        let body = json!({ "name": "Ada", "role": "operator", "status": "suspended" });
        let _ = far.patch(&path, &body).await.is(200);

        let items = audit_events(&guestlist.api(), &format!("user={}", id(&ada))).await;

        let story = kinds(&items);
        assert_eq!(story[..4], ["session_ended", "user_suspended", "role_changed", "user_changed"]);
        assert_eq!(story[4..], ["session_started", "accepted", "sent", "attempted", "requested"]);
        let me = guestlist.user(&guestlist.admin_email).await;
        for item in &items[..4] {
            let actor = json!({ "type": "user", "id": me["id"], "name": guestlist.admin_email });
            assert_eq!(item["actor"], actor);
            assert_eq!((&item["ip"], &item["user_id"]), (&json!("2001:db8::7"), &ada["id"]));
            assert!(item["at"].is_string() && item["id"].is_string(), "{item}");
        }
        assert_eq!(items[0]["detail"]["reason"], "suspended");
        assert_eq!(items[2]["detail"], json!({ "from": "member", "to": "operator" }));
        assert_eq!(items[3]["detail"], json!({ "fields": ["name"] }));
        assert_eq!((&items[4]["actor"]["id"], &items[4]["ip"]), (&ada["id"], &json!("127.0.0.1")));
        assert_eq!((&items[6]["actor"]["type"], &items[6]["ip"]), (&json!("system"), &Value::Null));
        assert_eq!(
            (&items[8]["actor"]["type"], &items[8]["ip"]),
            (&json!("key"), &json!("127.0.0.1"))
        );
    })
    .await;
}

#[tokio::test]
async fn audit_events_are_filtered_by_actor_user_kind_and_time() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let (key, secret) = guestlist.create_key("writer", &["users:write"]).await;
        let writer = guestlist.anonymous().bearer(&secret);
        for n in 0..3 {
            let body = json!({ "email": format!("p{n}@example.com") });
            let _ = writer.post("/v1/users", &body).await.is(201);
        }
        let api = guestlist.api();
        let by_key = audit_events(&api, &format!("actor={key}")).await;
        assert_eq!(kinds(&by_key), ["user_added", "user_added", "user_added"]);
        assert_eq!(by_key[0]["actor"]["name"], "writer");
        let by_cli = audit_events(&api, "actor=cli").await;
        assert_eq!(by_cli[0]["kind"], "key_created");
        assert_eq!((&by_cli[0]["detail"]["key"], &by_cli[0]["ip"]), (&json!(key), &Value::Null));
        let none: Vec<Value> = vec![];
        assert_eq!(audit_events(&api, &format!("actor={key}&kind=key_created")).await, none);
        let since = by_key[1]["at"].as_str().unwrap();
        let late = audit_events(&api, &format!("since={since}&kind=user_added")).await;
        // Events of the same millisecond may precede the first one.
        let is_late = |event: &&Value| event["at"].as_str() >= Some(since);
        assert_eq!(late.len(), by_key.iter().filter(is_late).count(), "{late:?}");
        assert_eq!(audit_events(&api, "since=2100-01-01T00:00:00Z").await, none);

        // Paging returns the same events.
        let whole = audit_events(&api, "").await;
        let mut pages = Vec::new();
        let mut query = "limit=1".to_owned();
        loop {
            let page = api.get(&format!("/v1/audit?{query}")).await.is(200).json();
            pages.extend(page["items"].as_array().unwrap().clone());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            query = format!("limit=1&cursor={cursor}");
        }
        assert_eq!(pages, whole);
        for bad in ["actor=me", "user=x", "kind=x", "since=yesterday", "limit=0", "cursor=x"] {
            let response = api.get(&format!("/v1/audit?{bad}")).await;
            let _ = response.problem(422, "invalid_request");
        }
        let _ = api.get("/v1/audit?who=x").await.problem(422, "invalid_query");
    })
    .await;
}

#[tokio::test]
async fn the_audit_log_is_read_only_and_requires_an_unrestricted_caller() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let look = async |caller: &Caller| caller.get("/v1/audit").await;
    let _ = look(&guestlist.anonymous()).await.problem(401, "session_missing");
    for scope in ["users:read", "users:write", "ops:read", "ops:write"] {
        let (_, secret) = guestlist.create_key(scope, &[scope]).await;
        let _ = look(&guestlist.anonymous().bearer(&secret)).await.problem(403, "scope_missing");
    }
    for role in ["member", "operator"] {
        let email = format!("{role}@example.com");
        let _ = guestlist.add_user(&email, role).await;
        let person = guestlist.log_in(&email).await;
        let _ = look(&person.caller()).await.problem(403, "forbidden");
        let _ = look(&guestlist.anonymous().bearer(person.token())).await.problem(403, "forbidden");
    }
    let admin = guestlist.admin().await;
    for caller in [guestlist.api(), admin.caller(), guestlist.anonymous().bearer(admin.token())] {
        let _ = look(&caller).await.is(200);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let response = caller.call(method, "/v1/audit", None, "").await;
            let _ = response.problem(405, "method_not_allowed");
        }
    }
}

#[tokio::test]
async fn each_end_of_a_session_is_recorded_once_with_its_reason() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member("ada@example.com").await;
    let path = user_path(&guestlist.user("ada@example.com").await);
    let _ = ada.api(Method::DELETE, "/v1/session", None).await.is(204);
    let _ = guestlist.log_in("ada@example.com").await;
    let _ = guestlist.api().delete(&format!("{path}/sessions")).await.is(204);
    let mut ada = guestlist.log_in("ada@example.com").await;
    let _ = guestlist.api().post("/v1/login", &json!({ "email": "ada@example.com" })).await.is(202);
    let mail = guestlist.sandbox().nth_email("ada@example.com", 4).await;
    let _ = ada.redeem_link(&mail.token).await.is(303);
    let _ = guestlist.api().delete(&path).await.is(202);

    let ends = audit_events(&guestlist.api(), "kind=session_ended").await;

    let reasons: Vec<_> = ends.iter().map(|end| end["detail"]["reason"].clone()).collect();
    assert_eq!(reasons, ["removed", "replaced", "revoked", "logged_out"]);
    let by: Vec<_> = ends.iter().map(|end| end["actor"]["type"].clone()).collect();
    assert_eq!(by, ["key", "user", "key", "user"]);
}
