//! Who may look at the queue, and who may steer it.

use guestlist_tests::{Answer, Caller, Engine, Guestlist};
use reqwest::Method;
use serde_json::json;

const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

/// Every route of operations, and the right that it needs.
fn routes() -> Vec<(Method, String, &'static str)> {
    let job = format!("/v1/jobs/{NOBODY}");
    let read = ["/v1/status", "/v1/queues", "/v1/jobs", "/v1/jobs/errors", &job, "/metrics"];
    let read = read.map(|path| (Method::GET, path.to_owned(), "ops:read"));
    let steer = [
        "/v1/queues/nonsense/pause".to_owned(),
        "/v1/queues/nonsense/resume".to_owned(),
        format!("{job}/retry"),
        format!("{job}/cancel"),
        format!("{job}/dismiss"),
        "/v1/jobs/retry".to_owned(),
        "/v1/jobs/cancel".to_owned(),
        "/v1/jobs/dismiss".to_owned(),
    ];
    let steer = steer.map(|path| (Method::POST, path, "ops:write"));
    read.into_iter().chain(steer).collect()
}

async fn ask(caller: &Caller, (method, path, _): &(Method, String, &str)) -> Answer {
    // Nothing in it is right, so that what may be done is still not done.
    caller.call(method.clone(), path, Some("text/plain"), "nonsense").await
}

fn is_let_through(answer: &Answer) -> bool {
    [200, 404, 415].contains(&answer.status)
}

#[tokio::test]
async fn operations_want_to_know_who_asks_before_anything_else() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    for route in &routes() {
        let _ = ask(&guestlist.anybody(), route).await.problem(401, "session_missing");
        let stranger = guestlist.anybody().bearer("glk_nobodys");
        let _ = ask(&stranger, route).await.problem(401, "api_key_invalid");
    }
}

#[tokio::test]
async fn a_key_looks_or_steers_as_its_scopes_say() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    for scope in ["ops:read", "ops:write", "users:write", "invitations:write"] {
        let (_, secret) = guestlist.create_key(scope, &[scope]).await;
        for caller in
            [guestlist.anybody().bearer(&secret), guestlist.anybody().basic("operator", &secret)]
        {
            for route in &routes() {
                let answer = ask(&caller, route).await;
                if route.2 == scope {
                    assert!(is_let_through(&answer), "{scope}: {answer:?}");
                } else {
                    let _ = answer.problem(403, "scope_missing");
                }
            }
        }
    }
    for route in &routes() {
        assert!(is_let_through(&ask(&guestlist.api(), route).await), "{route:?}");
    }
}

#[tokio::test]
async fn operators_and_administrators_operate_and_members_do_not() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    for role in ["member", "operator", "admin"] {
        let email = format!("{role}@example.org");
        let body = json!({ "email": email, "role": role });
        let _ = guestlist.api().post("/v1/users", &body).await.is(201);
        let person = guestlist.log_in(&email).await;
        let by_cookie = person.caller().with("sec-fetch-site", "same-origin");
        let by_token = guestlist.anybody().bearer(person.token());
        for caller in [by_cookie, by_token] {
            for route in &routes() {
                let answer = ask(&caller, route).await;
                match role {
                    "member" => answer.page_or_problem(403, "forbidden"),
                    _ => assert!(is_let_through(&answer), "{role}: {answer:?}"),
                }
            }
        }
        let elsewhere = person.caller().with("sec-fetch-site", "cross-site");
        let answer = elsewhere.post_nothing("/v1/queues/invitation/pause").await;
        let code = if role == "member" { "forbidden" } else { "cross_origin" };
        let _ = answer.problem(403, code);
    }
}
