//! Protection against pages of other origins in a developer's browser.

use reqwest::{Method, header};
use serde_json::json;

use crate::harness::{ApiResponse, TestSandbox};

/// Requests that change something and need no credentials.
const MUTATIONS: [(&str, &str, &str); 6] = [
    ("POST", "/sandbox/users", r#"{"email":"eve@example.com"}"#),
    ("PUT", "/sandbox/faults", r#"{"down":true}"#),
    ("PUT", "/sandbox/clock", r#"{"advance_seconds":60}"#),
    ("PUT", "/sandbox/webhooks", r#"{"paused":true}"#),
    ("POST", "/sandbox/jwks/rotate", ""),
    ("DELETE", "/sandbox/users/user-test-1", ""),
];

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let sandbox = TestSandbox::start().await;
    for (method, path, body) in MUTATIONS {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:3000"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let request =
                sandbox.unauthenticated(method.parse().unwrap(), path).header(name, value);
            let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
            ApiResponse::of(request.send().await.unwrap()).await.rejected(403, "cross_origin");
        }
    }
    let body = json!({"email": "eve@example.com"});
    let request =
        sandbox.request(Method::POST, "/v1/users").header("origin", "https://evil.example");
    ApiResponse::of(request.json(&body).send().await.unwrap()).await.rejected(403, "cross_origin");
    assert_eq!(sandbox.get("/sandbox/clock").await.ok()["offset_seconds"], 0);
    assert!(sandbox.get("/sandbox/faults").await.ok()["down"].is_null());
}

#[tokio::test]
async fn pages_of_the_same_origin_and_programs_may_change_something() {
    let sandbox = TestSandbox::start().await;
    let own = sandbox.url.clone();
    for headers in [
        vec![],
        vec![("origin", own.as_str()), ("sec-fetch-site", "same-origin")],
        vec![("sec-fetch-mode", "cors")],
    ] {
        let mut request = sandbox.unauthenticated(Method::PUT, "/sandbox/clock");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.json(&json!({"advance_seconds": 1}));
        ApiResponse::of(request.send().await.unwrap()).await.ok();
    }
}

#[tokio::test]
async fn only_requests_with_json_may_change_something() {
    let sandbox = TestSandbox::start().await;
    let controls = MUTATIONS.map(|(method, path, body)| (method, path, body, false));
    let v1 = [
        ("POST", "/v1/users", r#"{"email":"eve@example.com"}"#, true),
        ("PUT", "/v1/users/user-test-1", "{}", true),
    ];
    for (method, path, body, with_credentials) in controls.into_iter().chain(v1) {
        let method: Method = method.parse().unwrap();
        let request = || {
            if with_credentials {
                sandbox.request(method.clone(), path)
            } else {
                sandbox.unauthenticated(method.clone(), path)
            }
        };
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
        {
            let request = request().header(header::CONTENT_TYPE, kind).body(body);
            let response = ApiResponse::of(request.send().await.unwrap()).await;
            response.rejected(415, "unsupported_content_type");
        }
        if !body.is_empty() {
            let response = ApiResponse::of(request().body(body).send().await.unwrap()).await;
            response.rejected(415, "unsupported_content_type");
        }
    }
    let kind = (header::CONTENT_TYPE, "application/json; charset=utf-8");
    let request = sandbox.unauthenticated(Method::POST, "/sandbox/users").header(kind.0, kind.1);
    let request = request.body(r#"{"email":"ada@example.com"}"#);
    ApiResponse::of(request.send().await.unwrap()).await.ok();
    // A request without a body needs no content type.
    let request = sandbox.unauthenticated(Method::POST, "/sandbox/jwks/rotate");
    ApiResponse::of(request.send().await.unwrap()).await.ok();
}

#[tokio::test]
async fn a_mailed_link_works_from_a_page_of_another_origin() {
    let sandbox = TestSandbox::start().await;
    sandbox.invite("ada@example.com").await.ok();
    let token = sandbox.last_token("ada@example.com").await;
    for path in [format!("/v1/magic_links/redirect?token={token}"), "/inbox".to_owned()] {
        let request =
            sandbox.unauthenticated(Method::GET, &path).header("sec-fetch-site", "cross-site");
        let request = request.header("sec-fetch-mode", "navigate");
        assert_eq!(request.send().await.unwrap().status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_request_for_another_host_is_rejected() {
    let sandbox = TestSandbox::start_with(|options| {
        options.allowed_hosts = vec!["stytch:3002".to_owned(), String::new()];
    })
    .await;
    let paths =
        ["/", "/inbox", "/inbox.js", "/sandbox/emails", "/sandbox/stats", "/v1/debug/whoami"];
    for path in paths {
        let request = sandbox.request(Method::GET, path).header(header::HOST, "evil.example:3002");
        ApiResponse::of(request.send().await.unwrap()).await.rejected(403, "host_not_allowed");
        for host in ["localhost:3002", "inbox.localhost", "[::1]:1", "stytch"] {
            let request = sandbox.request(Method::GET, path).header(header::HOST, host);
            assert!(request.send().await.unwrap().status().as_u16() < 400, "{path} as {host}");
        }
    }
}
