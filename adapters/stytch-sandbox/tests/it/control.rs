//! The control plane: faults, statistics, clock and inbox.

use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::harness::{ApiResponse, TestSandbox};
use reqwest::Method;
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";
const INVITE: &str = "/v1/magic_links/email/invite";

/// Sends an invitation and expects the connection to be dropped.
async fn invite_dropped(t: &TestSandbox) {
    let request = t.request(Method::POST, INVITE).json(&json!({"email": ADA}));
    let error = request.send().await.expect_err("no response");
    assert!(error.is_request() && !error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn a_status_alone_rejects_every_request() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"status": 429, "retry_after_seconds": 7})).await;
    let request = t.request(Method::POST, INVITE).json(&json!({"email": ADA}));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
    ApiResponse::of(response).await.rejected(429, "too_many_requests");
    t.set_fault(json!({"status": 400, "error_type": "inactive_email"})).await;
    t.invite(ADA).await.rejected(400, "inactive_email");
    t.set_fault(json!({"error_rate": 1.0})).await;
    t.invite(ADA).await.rejected(500, "internal_server_error");
    t.set_fault(json!({})).await;
    assert_eq!(t.emails(ADA).await.len(), 0);
    t.invite(ADA).await.ok();
}

#[tokio::test]
async fn an_error_rate_rejects_a_share_of_requests() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"error_rate": 0.5, "status": 503})).await;
    for _ in 0..200 {
        t.get("/v1/debug/whoami").await;
    }
    let counts = &t.stats().await["requests"]["GET /v1/debug/whoami"];
    let (served, rejected) = (counts["200"].as_u64().unwrap(), counts["503"].as_u64().unwrap());
    assert_eq!(served + rejected, 200);
    assert!((50..150).contains(&rejected), "{counts}"); // Seven standard deviations.
}

#[tokio::test]
async fn times_and_path_limit_a_fault() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"status": 503, "times": 2, "path": INVITE})).await;
    t.login_or_create(ADA).await.ok();
    t.invite("bob@example.com").await.rejected(503, "server_unavailable");
    assert_eq!(t.get("/sandbox/faults").await.ok()["times"], 1);
    t.invite("bob@example.com").await.rejected(503, "server_unavailable");
    t.invite("bob@example.com").await.ok();
    assert_eq!(t.get("/sandbox/faults").await.ok(), json!({}));
}

#[tokio::test]
async fn faults_apply_to_whoami_before_its_credentials_are_checked() {
    let t = TestSandbox::start().await;
    let whoami = "/v1/debug/whoami";
    let with_secret = |secret: &str| {
        t.unauthenticated(Method::GET, whoami)
            .basic_auth(&t.credentials.project_id, Some(secret))
            .send()
    };
    t.set_fault(json!({"status": 503, "path": "/v1/debug/"})).await;
    t.get(whoami).await.rejected(503, "server_unavailable");
    t.invite(ADA).await.ok();
    t.set_fault(json!({"status": 503, "path": INVITE})).await;
    t.get(whoami).await.ok();
    // Faults apply before the credentials are checked.
    ApiResponse::of(with_secret("wrong").await.unwrap())
        .await
        .rejected(401, "unauthorized_credentials");
    t.set_fault(json!({"error_rate": 1.0, "status": 429, "times": 1})).await;
    ApiResponse::of(with_secret("wrong").await.unwrap()).await.rejected(429, "too_many_requests");
    t.set_fault(json!({"down": true, "times": 2})).await;
    with_secret("wrong").await.unwrap_err();
    with_secret(&t.credentials.secret).await.unwrap_err();
    let counted = &t.stats().await["requests"]["GET /v1/debug/whoami"];
    assert_eq!(*counted, json!({"503": 1, "200": 1, "401": 1, "429": 1, "dropped": 2}));
}

#[tokio::test]
async fn down_drops_the_connection_without_handling_the_request() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"down": true})).await;
    invite_dropped(&t).await;
    t.set_fault(json!({})).await;
    assert_eq!(t.emails(ADA).await.len(), 0);
    assert_eq!(t.stats().await["requests"][format!("POST {INVITE}")], json!({"dropped": 1}));
}

#[tokio::test]
async fn lose_answer_handles_the_request_and_drops_the_connection() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"lose_answer": true, "times": 1})).await;
    invite_dropped(&t).await;
    assert_eq!(t.emails(ADA).await.len(), 1);
    t.invite(ADA).await.ok();
}

#[tokio::test]
async fn latency_delays_the_response_but_not_the_handling() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"latency_ms": 600_000, "times": 1})).await;
    let request = t.request(Method::POST, INVITE).json(&json!({"email": ADA}));
    let waiting = tokio::spawn(request.send());
    mail_arrives(&t).await;
    assert!(!waiting.is_finished());
    waiting.abort();
    t.set_fault(json!({"latency_ms": 200})).await;
    let start = Instant::now();
    t.get("/v1/debug/whoami").await.ok();
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_request_is_handled_even_if_the_client_disconnects_at_once() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"latency_ms": 600_000, "times": 1})).await;
    let request = t.request(Method::POST, INVITE).json(&json!({"email": ADA})).build().unwrap();
    let body = request.body().unwrap().as_bytes().unwrap();
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let head = format!(
        "POST {INVITE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(t.url.strip_prefix("http://").unwrap()).unwrap();
    connection.write_all(&[head.as_bytes(), body].concat()).unwrap();
    drop(connection);
    mail_arrives(&t).await;
}

async fn mail_arrives(t: &TestSandbox) {
    let arrives = async { while t.emails(ADA).await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(20), arrives).await.expect("a mail");
}

#[tokio::test]
async fn faults_do_not_affect_the_control_plane() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"down": true})).await;
    for path in ["/sandbox/emails", "/sandbox/stats", "/sandbox/faults", "/sandbox/clock"] {
        t.get(path).await.ok();
    }
    assert_eq!(t.unauthenticated(Method::GET, "/inbox").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_invalid_fault_is_rejected_and_the_current_one_stays() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"latency_ms": 1})).await;
    for wrong in [
        json!({"latency": 5}),
        json!({"error_rate": 1.5}),
        json!({"status": 200}),
        json!({"latency_ms": -1}),
        json!({"retry_after_seconds": 1}),
    ] {
        t.put("/sandbox/faults", wrong).await.rejected(422, "invalid_request");
    }
    let message =
        t.put("/sandbox/faults", json!({"latency": 5})).await.body["error_message"].take();
    assert!(message.as_str().unwrap().contains("unknown field `latency`"), "{message}");
    assert_eq!(t.get("/sandbox/faults").await.ok(), json!({"latency_ms": 1}));
}

#[tokio::test]
async fn statistics_count_by_route_and_status() {
    let t = TestSandbox::start().await;
    let joined = t.invite_and_accept(ADA).await;
    t.get(&format!("/v1/users/{}", joined["user_id"].as_str().unwrap())).await.ok();
    t.get("/v1/users/user-test-none").await;
    let stats = t.stats().await;
    assert_eq!(
        stats["requests"],
        json!({
            "POST /v1/magic_links/email/invite": {"200": 1},
            "POST /v1/magic_links/authenticate": {"200": 1},
            "GET /v1/users/{user_id}": {"200": 1, "404": 1},
        })
    );
    assert!((1..=4).contains(&stats["peak_per_second"].as_u64().unwrap()), "{stats}");
}

#[tokio::test]
async fn emails_are_a_bare_array_oldest_first() {
    let t = TestSandbox::start().await;
    t.invite("a+b@example.com").await.ok();
    t.invite(ADA).await.ok();
    let all = t.get("/sandbox/emails").await.ok();
    let to: Vec<_> =
        all.as_array().unwrap().iter().map(|mail| mail["to"].as_str().unwrap()).collect();
    assert_eq!(to, ["a+b@example.com", ADA]);
    let mut members: Vec<_> = all[0].as_object().unwrap().keys().cloned().collect();
    members.sort_unstable();
    assert_eq!(members, ["id", "kind", "sent_at", "to", "token", "url"]);
    for filter in ["a%2Bb@example.com", "a+b@example.com", "A%2BB@example.com"] {
        let found = t.get(&format!("/sandbox/emails?to={filter}")).await.ok();
        assert_eq!(found, json!([all[0]]), "{filter}");
    }
    assert_eq!(t.emails("nobody@example.com").await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_inbox_shows_the_newest_mail_first_with_its_redirect_link() {
    let t = TestSandbox::start().await;
    t.invite("o'b<i>@example.com").await.rejected(400, "invalid_email");
    let page = async |path: &str| {
        let response = t.unauthenticated(Method::GET, path).send().await.unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        response.text().await.unwrap()
    };
    let host = t.url.strip_prefix("http://").unwrap();
    let empty = page("/inbox").await;
    assert!(empty.contains(&format!("http://{host}/v1/magic_links/email/invite")), "{empty}");
    t.invite("o'b&b@example.com").await.ok();
    t.invite(ADA).await.ok();
    let inbox = page("/inbox").await;
    let escaped = "o&#39;b&#38;b@example.com";
    assert!(inbox.find(ADA).unwrap() < inbox.find(escaped).unwrap(), "{inbox}");
    assert!(!inbox.contains("o'b&b@"), "{inbox}");
    let link = format!("/v1/magic_links/redirect?token={}", t.last_token(ADA).await);
    assert!(inbox.contains(&link), "{inbox}");
    let filtered = page(&format!("/inbox?to={ADA}")).await;
    assert!(filtered.contains(&link) && !filtered.contains("b@example.com"), "{filtered}");
    t.authenticate(&t.last_token(ADA).await).await.ok();
    let used = page("/inbox").await;
    assert!(used.contains("Used</span>") && used.matches("works until").count() == 1, "{used}");
    let url = t.emails(ADA).await[0]["url"].as_str().unwrap().replace('&', "&#38;");
    assert!(used.contains(&format!("<code>{url}</code>")), "{used}");
    let bob = json!({"email": "o'b&b@example.com"});
    t.post("/v1/magic_links/email/revoke_invite", bob.clone()).await.ok();
    let revoked = page("/inbox").await;
    assert!(
        revoked.contains("Revoked</span>") && !revoked.contains("Replaced</span>"),
        "{revoked}"
    );
    t.advance_clock(2).await;
    t.invite("o'b&b@example.com").await.ok();
    let replaced = page("/inbox").await;
    assert!(replaced.contains("Replaced</span>"), "{replaced}");
    assert!(!replaced.contains("Revoked</span>"), "{replaced}");
    t.login_or_create(ADA).await.ok();
    t.advance_clock(3600).await;
    let expired = page("/inbox").await;
    assert!(expired.contains("Expired</span>") && expired.contains("1 h ago"), "{expired}");
    let root = t.unauthenticated(Method::GET, "/").send().await.unwrap();
    assert_eq!(
        (root.status().as_u16(), &root.headers()["location"]),
        (302, &"/inbox".parse().unwrap())
    );
    page("/inbox.css").await;
    page("/inbox.js").await;
}

#[tokio::test]
async fn the_clock_is_advanced_and_set_back_relative_to_its_offset() {
    let t = TestSandbox::start().await;
    t.advance_clock(100).await;
    t.advance_clock(50).await;
    assert_eq!(t.get("/sandbox/clock").await.ok()["offset_seconds"], 150);
    t.advance_clock(-150).await;
    assert_eq!(t.get("/sandbox/clock").await.ok()["offset_seconds"], 0);
    for wrong in [json!({}), json!({"advance": 1}), json!({"advance_seconds": i64::MAX})] {
        t.put("/sandbox/clock", wrong).await.rejected(422, "invalid_request");
    }
}
