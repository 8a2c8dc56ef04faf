//! `Idempotency-Key`: a repeated request is executed once.

use guestlist_tests::{Caller, Engine, Guestlist, Response, on_every_engine};
use serde_json::{Value, json};
use tokio::task::JoinSet;

fn keyed(caller: &Caller, key: &str) -> Caller {
    caller.with("idempotency-key", key)
}

async fn invite(caller: &Caller, email: &str) -> Response {
    caller.post("/v1/invitations", &json!({ "email": email })).await
}

#[tokio::test]
async fn a_repeated_request_replays_the_first_response() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let caller = keyed(&guestlist.api(), "one");
        let first = invite(&caller, "ada@example.com").await.is(202);
        assert!(!first.is_replayed());
        let _ = guestlist.sandbox().nth_email("ada@example.com", 1).await;
        let second = invite(&caller, "ada@example.com").await.is(202);
        assert!(second.is_replayed(), "{second:?}");
        assert_eq!(
            (&second.body, second.header("location")),
            (&first.body, first.header("location"))
        );
        assert_eq!(second.header("content-type"), first.header("content-type"));
        assert!(second.header("location").is_some());

        // Another body under the same key is refused.
        let reused = invite(&caller, "bob@example.com").await;
        let _ = reused.problem(422, "idempotency_key_reused");
        // Refusals are stored too.
        let other = keyed(&guestlist.api(), "two");
        let _ = invite(&other, "ada@example.com").await.problem(409, "already_invited");
        let again = invite(&other, "ada@example.com").await;
        assert!(again.is_replayed(), "{again:?}");
        let _ = again.problem(409, "already_invited");
        assert_eq!(guestlist.users().await.len(), 1);
        assert_eq!(guestlist.sandbox().emails("ada@example.com").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_is_scoped_to_caller_and_path() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let (_, secret) = guestlist.create_key("other", &[]).await;
        let other = guestlist.anonymous().bearer(&secret);
        let admin = guestlist.admin().await;
        let person = guestlist.anonymous().bearer(admin.token());
        for (n, caller) in [guestlist.api(), other, person].iter().enumerate() {
            let email = format!("guest{n}@example.com");
            let response = invite(&keyed(caller, "same"), &email).await.is(202);
            assert!(!response.is_replayed(), "{response:?}");
            let body = json!({ "email": format!("user{n}@example.com") });
            let _ = keyed(caller, "same").post("/v1/users", &body).await.is(201);
        }
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_in_use_is_refused_until_its_lease_expires() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let caller = keyed(&guestlist.api(), "one");
        let _ = invite(&caller, "ada@example.com").await.is(202);
        // The first request appears to be still running.
        let far = "9000000000000000";
        let busy = format!("UPDATE idempotency_keys SET state = 'running', lease_until = {far}");
        assert_eq!(guestlist.database().execute(&busy).await, 1);
        let _ = invite(&caller, "ada@example.com").await.problem(409, "idempotency_key_in_use");
        // The first request's process appears to have died.
        let dead = "UPDATE idempotency_keys SET lease_until = 1";
        assert_eq!(guestlist.database().execute(dead).await, 1);
        let _ = invite(&caller, "ada@example.com").await.problem(409, "already_invited");
    })
    .await;
}

#[tokio::test]
async fn concurrent_requests_with_one_key_are_executed_once() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(0).start().await;
        let other = guestlist.start_another_app().await;
        let callers = [keyed(&guestlist.api(), "one"), keyed(&guestlist.api().at(&other), "one")];
        let mut burst = JoinSet::new();
        for n in 0..24 {
            let caller = callers[n % 2].clone();
            burst.spawn(async move { invite(&caller, "ada@example.com").await });
        }
        let mut ids = Vec::new();
        for response in burst.join_all().await {
            if response.status == 202 {
                ids.push(response.json()["id"].clone());
            } else {
                let _ = response.problem(409, "idempotency_key_in_use");
            }
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(guestlist.database().integer("SELECT COUNT(*) FROM invitations").await, 1);
    })
    .await;
}

#[tokio::test]
async fn unauthorized_throttled_and_public_responses_are_not_stored() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    // A 401 is not stored.
    let anonymous = guestlist.anonymous().bearer("glk_unknown");
    for _ in 0..2 {
        let refused = invite(&keyed(&anonymous, "x"), "ada@example.com").await;
        let _ = refused.problem(401, "api_key_invalid");
        assert!(!refused.is_replayed());
    }
    let _ = invite(&keyed(&guestlist.api(), "x"), "ada@example.com").await.is(202);
    // A 429 is not stored.
    let _ = guestlist.sandbox().nth_email("ada@example.com", 1).await;
    let id = guestlist.api().get("/v1/invitations").await.json()["items"][0]["id"].clone();
    let resend = format!("/v1/invitations/{}/resend", id.as_str().unwrap());
    let _ = guestlist.wait_for_status(id.as_str().unwrap(), "sent").await;
    let _ = guestlist.api().post_nothing(&resend).await.is(202);
    let caller = keyed(&guestlist.api(), "y");
    for _ in 0..2 {
        let soon = caller.post_nothing(&resend).await;
        let _ = soon.problem(429, "resent_too_soon");
        assert!(!soon.is_replayed() && soon.header("retry-after").is_some(), "{soon:?}");
    }
    // Public routes ignore the header.
    for _ in 0..2 {
        let body = json!({ "email": "nobody@example.com" });
        let asked = keyed(&guestlist.anonymous(), "z").post("/v1/login", &body).await.is(202);
        assert!(!asked.is_replayed());
    }
    let asked = "SELECT COUNT(*) FROM login_requests WHERE email = 'nobody@example.com'";
    assert_eq!(guestlist.database().integer(asked).await, 2);
    // Stored responses contain no secrets.
    let kept = guestlist.database().query("SELECT content FROM idempotency_keys").await;
    for row in kept {
        let content: Option<String> = row.try_get_by_index(0).unwrap();
        assert!(!content.unwrap_or_default().contains("session_token"));
    }
}

#[tokio::test]
async fn an_invalid_idempotency_key_is_refused() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let long = "k".repeat(256);
    for key in ["", long.as_str()] {
        let response = invite(&keyed(&guestlist.api(), key), "ada@example.com").await;
        let _ = response.problem(422, "idempotency_key_invalid");
    }
    let longest = "k".repeat(255);
    let _ = invite(&keyed(&guestlist.api(), &longest), "ada@example.com").await.is(202);
    // A validation error is the same on each attempt.
    let wrong = keyed(&guestlist.api(), "wrong");
    for _ in 0..2 {
        let response = wrong.post("/v1/invitations", &Value::Null).await;
        let _ = response.problem(422, "invalid_request");
    }
}
