//! Faulty response bodies.

use std::{io::Write, net::TcpStream, time::Duration};

use crate::harness::{ApiResponse, TestSandbox};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";
const INVITE: &str = "/v1/magic_links/email/invite";

async fn invite(t: &TestSandbox) -> Response {
    t.request(Method::POST, INVITE).json(&json!({"email": ADA})).send().await.unwrap()
}

fn content_type(response: &Response) -> Option<&str> {
    response.headers().get("content-type").map(|it| it.to_str().unwrap())
}

#[tokio::test]
async fn a_body_fault_alone_replaces_the_response_of_a_handled_request() {
    let t = TestSandbox::start().await;
    for (body, kind, said) in [
        ("html", Some("text/html; charset=utf-8"), "<h1>200 OK</h1>"),
        ("not_json", Some("application/json"), "upstream connect error"),
        ("empty", None, ""),
    ] {
        t.set_fault(json!({"body": body, "times": 1})).await;
        let response = invite(&t).await;
        assert_eq!((response.status().as_u16(), content_type(&response)), (200, kind));
        let text = response.text().await.unwrap();
        assert!(text.contains(said) && text.is_empty() == said.is_empty(), "{text}");
        assert!(serde_json::from_str::<Value>(&text).is_err());
    }
    assert_eq!(t.emails(ADA).await.len(), 3);
    t.invite(ADA).await.ok();
}

#[tokio::test]
async fn a_body_fault_with_a_status_replaces_the_body_of_the_rejection() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"status": 502, "body": "html", "retry_after_seconds": 3, "times": 1})).await;
    let response = invite(&t).await;
    assert_eq!(response.headers()["retry-after"], "3");
    assert_eq!(response.status(), 502);
    assert!(response.text().await.unwrap().contains("<h1>502 Bad Gateway</h1>"));
    t.set_fault(json!({"error_rate": 1.0, "body": "empty", "times": 1})).await;
    let response = invite(&t).await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.text().await.unwrap(), "");
    t.set_fault(json!({"error_rate": 1e-12, "body": "huge"})).await;
    assert!(invite(&t).await.text().await.unwrap().len() < 1000, "only refusals are spoiled");
    assert_eq!(t.emails(ADA).await.len(), 1);
    assert_eq!(
        t.stats().await["requests"][format!("POST {INVITE}")],
        json!({"200": 1, "500": 1, "502": 1})
    );
}

#[tokio::test]
async fn a_truncated_answer_ends_halfway_with_the_length_it_should_have_had() {
    let t = TestSandbox::start().await;
    let whole = t.request(Method::GET, "/v1/debug/whoami").send().await.unwrap();
    let whole = whole.content_length().unwrap();
    for (fault, status) in [
        (json!({"body": "truncated"}), "200 OK"),
        (json!({"body": "truncated", "status": 503}), "503 Service Unavailable"),
    ] {
        t.set_fault(fault).await;
        let response = raw(&t, "/v1/debug/whoami").await;
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let length: u64 = length.parse().unwrap();
        assert!(status != "200 OK" || length == whole, "{head}");
        assert_eq!(body.len() as u64, length / 2, "{response}");
        assert!(body.starts_with('{'), "{body}");
    }
    t.set_fault(json!({"body": "truncated", "times": 1})).await;
    assert!(invite(&t).await.bytes().await.is_err());
    assert_eq!(t.emails(ADA).await.len(), 1, "the mail was sent");
}

/// Returns all bytes until the connection is closed.
async fn raw(t: &TestSandbox, path: &str) -> String {
    let request = t.request(Method::GET, path).build().unwrap();
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let mut connection = TcpStream::connect(t.url.strip_prefix("http://").unwrap()).unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    let read = move || std::io::read_to_string(connection).unwrap();
    let reading = tokio::task::spawn_blocking(read);
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("an end").unwrap()
}

#[tokio::test]
async fn a_huge_body_is_valid_json_after_ten_megabytes_of_spaces() {
    let t = TestSandbox::start().await;
    t.set_fault(json!({"body": "huge", "times": 2})).await;
    let response = invite(&t).await;
    assert!(response.content_length().unwrap() > 10 << 20);
    assert!(ApiResponse::of(response).await.ok()["user_id"].is_string());
    t.get("/v1/users/user-test-none").await.rejected(404, "user_not_found");
    t.get("/v1/users/user-test-none").await.rejected(404, "user_not_found");
}

#[tokio::test]
async fn a_body_fault_can_not_be_combined_with_faults_that_send_no_response() {
    let t = TestSandbox::start().await;
    for wrong in [
        json!({"body": "html", "down": true}),
        json!({"body": "html", "lose_answer": true}),
        json!({"body": "xml"}),
    ] {
        t.put("/sandbox/faults", wrong).await.rejected(422, "invalid_request");
    }
    t.set_fault(json!({"body": "not_json", "path": "/v1/users"})).await;
    let shown = t.get("/sandbox/faults").await.ok();
    assert_eq!(shown, json!({"body": "not_json", "path": "/v1/users"}));
    t.invite(ADA).await.ok();
}
