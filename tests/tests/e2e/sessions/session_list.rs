//! Listing and ending sessions, one's own and those of other users.

use guestlist_tests::{Caller, Engine, Guestlist, Visitor, id, on_every_engine};
use reqwest::Method;
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";
const FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";

async fn own_sessions(visitor: &Visitor) -> Vec<Value> {
    visitor.caller().get("/v1/sessions").await.is(200).items()
}

/// Returns the id of the visitor's session.
async fn current_session_id(visitor: &Visitor) -> String {
    let response = visitor.caller().get("/v1/session").await.is(200).json();
    id(&response["session"]).to_owned()
}

/// Logs Ada in through the API with Firefox's user agent; returns a caller with her token.
async fn log_in_with_firefox(guestlist: &Guestlist) -> Caller {
    let mail = guestlist.login_link(ADA).await;
    let firefox = guestlist.anonymous().with("user-agent", FIREFOX);
    let response = firefox.post("/v1/sessions", &json!({ "token": mail.token })).await.is(201);
    guestlist.anonymous().bearer(response.json()["session_token"].as_str().unwrap())
}

async fn assert_logged_out(caller: &Caller) {
    let _ = caller.get("/v1/session").await.problem(401, "session_revoked");
}

#[tokio::test]
async fn a_user_lists_their_own_sessions() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let ada = guestlist.member(ADA).await;
        let firefox = log_in_with_firefox(&guestlist).await;
        let _ = guestlist.member("bob@example.com").await;

        let sessions = own_sessions(&ada).await;

        assert_eq!(sessions.len(), 2, "{sessions:?}");
        assert_eq!(sessions[0]["device"], "Firefox on Windows");
        assert_eq!(sessions[0]["user_agent"], FIREFOX);
        assert_eq!(sessions[0]["ip"], "127.0.0.1");
        assert_eq!(sessions[0]["current"], false);
        assert_eq!(sessions[1]["current"], true);
        assert_eq!(id(&sessions[1]), current_session_id(&ada).await);
        for field in ["id", "user_id", "started_at", "expires_at", "last_used_at"] {
            assert!(sessions[0][field].is_string(), "{field}: {sessions:?}");
        }
        let first = firefox.get("/v1/sessions?limit=1").await.is(200).json();
        assert_eq!(first["items"][0]["current"], true);
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = firefox.get(&format!("/v1/sessions?limit=1&cursor={cursor}")).await.is(200);
        assert_eq!(rest.json()["items"][0]["id"], sessions[1]["id"]);
        assert_eq!(rest.json()["next_cursor"], Value::Null);
        for bad in ["limit=0", "cursor=x"] {
            let response = firefox.get(&format!("/v1/sessions?{bad}")).await;
            let _ = response.problem(422, "invalid_request");
        }
    })
    .await;
}

#[tokio::test]
async fn a_user_ends_one_of_their_sessions() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut ada = guestlist.member(ADA).await;
        let other = log_in_with_firefox(&guestlist).await;
        let mut bob = guestlist.member("bob@example.com").await;
        let path = format!("/v1/sessions/{}", id(&own_sessions(&ada).await[0]));

        // The session of another user is not found.
        let _ = bob.api(Method::DELETE, &path, None).await.problem(404, "not_found");
        let _ = other.get("/v1/session").await.is(200);
        let _ = ada.api(Method::DELETE, &path, None).await.is(204);

        assert_logged_out(&other).await;
        let _ = ada.api(Method::DELETE, &path, None).await.problem(404, "not_found");
        let _ = ada.api(Method::DELETE, "/v1/sessions/x", None).await.problem(404, "not_found");
        assert_eq!(own_sessions(&ada).await.len(), 1);
        guestlist.wait_for_jobs().await;
        assert_eq!(guestlist.sandbox().call_count("POST /v1/sessions/revoke", "200").await, 1);

        // Ending the current session is a log-out.
        let path = format!("/v1/sessions/{}", current_session_id(&ada).await);
        let left = ada.api(Method::DELETE, &path, None).await.is(204);
        assert!(left.clears_cookies(), "{left:?}");
        let _ = ada.get("/v1/session").await.is(401);
    })
    .await;
}

#[tokio::test]
async fn a_user_ends_all_other_sessions() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let mut ada = guestlist.member(ADA).await;
        let others = [log_in_with_firefox(&guestlist).await, log_in_with_firefox(&guestlist).await];
        let mut bob = guestlist.member("bob@example.com").await;
        let path = "/v1/sessions/revoke-others";
        let response = ada.api(Method::POST, path, None).await.is(200).json();
        assert_eq!(response, json!({ "revoked": 2 }));
        for other in &others {
            assert_logged_out(other).await;
        }
        let _ = ada.get("/v1/session").await.is(200);
        let _ = bob.get("/v1/session").await.is(200);
        let response = ada.api(Method::POST, path, None).await.is(200).json();
        assert_eq!(response, json!({ "revoked": 0 }));
        let keyed = ada.caller().with("idempotency-key", "k").with("sec-fetch-site", "same-origin");
        assert!(keyed.post_nothing(path).await.is(200).header("idempotent-replayed").is_none());
        assert_eq!(keyed.post_nothing(path).await.header("idempotent-replayed"), Some("true"));
    })
    .await;
}

#[tokio::test]
async fn an_administrator_lists_and_ends_the_sessions_of_a_user() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let ada = guestlist.member(ADA).await;
        let other = log_in_with_firefox(&guestlist).await;
        let path = format!("/v1/users/{}/sessions", id(&guestlist.user(ADA).await));
        let list = guestlist.api().get(&path).await.is(200).json();
        assert_eq!(list["items"].as_array().unwrap().len(), 2);
        assert_eq!(list["items"][0]["device"], "Firefox on Windows");
        assert!(list["items"][0].get("current").is_none());

        let _ = guestlist.api().delete(&path).await.is(204);

        assert_logged_out(&ada.caller()).await;
        assert_logged_out(&other).await;
        let list = guestlist.api().get(&path).await.is(200).json();
        assert_eq!(list, json!({ "items": [], "next_cursor": null }));
        let _ = guestlist.api().delete(&path).await.is(204);
        let mut again = guestlist.log_in(ADA).await;
        let _ = again.get("/v1/session").await.is(200);
        let nobody = "/v1/users/01890000-0000-7000-8000-000000000000/sessions";
        let _ = guestlist.api().get(nobody).await.problem(404, "not_found");
        let _ = guestlist.api().delete(nobody).await.problem(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn own_sessions_require_a_session_of_the_same_origin() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut ada = guestlist.member(ADA).await;
    let path = format!("/v1/sessions/{}", current_session_id(&ada).await);
    let foreign = ada.caller().with("sec-fetch-site", "cross-site");
    for (method, path) in [
        (Method::GET, "/v1/sessions"),
        (Method::DELETE, path.as_str()),
        (Method::POST, "/v1/sessions/revoke-others"),
    ] {
        let ask = async |caller: Caller| caller.call(method.clone(), path, None, "").await;
        let _ = ask(guestlist.anonymous()).await.problem(401, "session_missing");
        let _ = ask(guestlist.api()).await.problem(403, "session_required");
        if method != Method::GET {
            let _ = ask(foreign.clone()).await.problem(403, "cross_origin");
        }
    }
    let _ = ada.get("/v1/session").await.is(200);
}
