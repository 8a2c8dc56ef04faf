//! Connections that misbehave, at the listeners of the application, the worker and the sandbox.

use guestlist_tests::{Caller, Engine, Guestlist, LONG, SHORT, Socket, wait_until};
use serde_json::Value;

const FILES: u32 = 256;

/// Returns each listener's URL and a path on it that needs no credentials.
fn listeners(guestlist: &Guestlist) -> [(&str, &str); 3] {
    [
        (&guestlist.url, "/healthz"),
        (&guestlist.worker_urls[0], "/healthz"),
        (&guestlist.sandbox_url, "/sandbox/stats"),
    ]
}

/// Sends a request, closes the sending half, and returns everything that is received.
async fn exchange(url: &str, request: &str) -> String {
    let mut socket = Socket::sending(url, request).await;
    socket.finish_sending().await;
    socket.read_to_end().await
}

fn has_status(response: &str, status: u16) -> bool {
    response.starts_with(&format!("HTTP/1.1 {status} "))
        || response.starts_with(&format!("HTTP/1.0 {status} "))
}

/// Parses the body of a response that is not chunked.
fn json(response: &str) -> Value {
    let (_, body) = response.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {response}"))
}

#[tokio::test]
async fn a_connection_with_an_incomplete_header_is_closed() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut open = Vec::new();
    for (url, path) in listeners(&guestlist) {
        for half in [String::new(), format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n")] {
            open.push(Socket::sending(url, &half).await);
        }
    }
    for socket in &mut open {
        assert_eq!(socket.read_to_end().await, "");
    }
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    for (url, path) in listeners(&guestlist) {
        let padding = "x".repeat(33 * 1024);
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nPad: {padding}");
        let response = Socket::sending(url, &request).await.read_to_end().await;
        assert!(has_status(&response, 431), "{url}: {response}");
    }
}

#[tokio::test]
async fn a_slow_body_is_a_408_and_not_logged_as_an_error() {
    let guestlist =
        Guestlist::dev(Engine::Sqlite).env("RUST_LOG", "debug,sqlx=info,hyper=info").start().await;
    let key = format!("Authorization: Bearer {}\r\n", guestlist.api_key);
    let keyed = format!("{key}Idempotency-Key: k1\r\n");
    let form = "application/x-www-form-urlencoded";
    let json_type = "application/json";
    let signed = "svix-id: a\r\nsvix-timestamp: 1\r\nsvix-signature: v1,a\r\n";
    let mut open = Vec::new();
    for (url, path, kind, more) in [
        (&guestlist.url, "/v1/login", json_type, ""),
        (&guestlist.url, "/v1/invitations", json_type, key.as_str()),
        (&guestlist.url, "/v1/invitations", json_type, &keyed),
        (&guestlist.url, "/authenticate", form, ""),
        (&guestlist.url, "/webhooks/stytch", json_type, signed),
        (&guestlist.sandbox_url, "/v1/users", json_type, ""),
        (&guestlist.sandbox_url, "/sandbox/users", json_type, ""),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n");
        let request = format!("{head}{more}Content-Length: 20\r\n\r\n{{");
        open.push((url, path, Socket::sending(url, &request).await));
    }
    for (url, path, socket) in &mut open {
        let response = socket.read_to_end().await;
        assert!(has_status(&response, 408), "{path}: {response}");
        if **url == guestlist.url {
            assert!(response.contains("application/problem+json"), "{path}: {response}");
            assert_eq!(json(&response)["code"], "body_timeout", "{path}");
        } else {
            assert_eq!(json(&response)["error_type"], "request_timeout", "{path}");
        }
    }
    // Each of the application's five responses is logged below the error level.
    let log = wait_until(SHORT, "every response is logged", async || {
        let log = guestlist.stderr();
        (log.matches("status=408").count() >= 5).then_some(log)
    })
    .await;
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn incomplete_requests_do_not_block_other_clients() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(0).prepare().await;
    guestlist.start_sandbox().await;
    let _ = guestlist.run_ok(&["migrate", "up"]).await;
    let worker_url = format!("http://127.0.0.1:{}", guestlist_tests::free_port());
    guestlist.set_env("WORKER_LISTEN_ADDR", worker_url.trim_start_matches("http://"));
    let serve = guestlist.spawn_with_file_limit("guestlist", &["serve"], FILES);
    let line = serve.wait_for_line(SHORT, |line| line.starts_with("Guestlist listens on")).await;
    let app_url = line.split_whitespace().find(|word| word.starts_with("http")).unwrap();
    let app_url = app_url.trim_end_matches(',').to_owned();
    let worker = guestlist.spawn_with_file_limit("guestlist-worker", &[], FILES);
    guestlist.set_env("SANDBOX_LISTEN_ADDR", "127.0.0.1:0");
    let sandbox = guestlist.spawn_with_file_limit("stytch-sandbox", &[], FILES);
    let line = sandbox.wait_for_line(SHORT, |line| line.contains("http://")).await;
    let sandbox_url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();

    for (url, path) in
        [(app_url.as_str(), "/readyz"), (&worker_url, "/readyz"), (sandbox_url, "/sandbox/stats")]
    {
        let caller = Caller::new(url);
        wait_until(SHORT, "the server responds", async || {
            caller.try_call(reqwest::Method::GET, path, None, "").await.ok()
        })
        .await;
        let mut clients = Vec::new();
        for _ in 0..FILES + 44 {
            clients.push(Socket::sending(url, "GET / HTTP/1.1\r\n").await);
        }
        // A new connection is served while the others are open, within the client's time limit.
        let _ = Caller::new(url).get(path).await.is(200);
    }
    for process in [&serve, &worker, &sandbox] {
        assert!(!process.stderr().contains("can't be accepted"), "{}", process.stderr());
    }
}

#[tokio::test]
async fn a_half_closed_connection_receives_its_response() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    for (url, path) in listeners(&guestlist) {
        let response =
            exchange(url, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert!(has_status(&response, 200), "{url}: {response}");
    }
    let (key, body) = (&guestlist.api_key, r#"{"email":"ada@example.com"}"#);
    let request = format!(
        "POST /v1/invitations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    let response = exchange(&guestlist.url, &request).await;
    assert!(has_status(&response, 202), "{response}");
    assert_eq!(json(&response)["email"], "ada@example.com");
}

#[tokio::test]
async fn a_request_needs_exactly_one_host_header() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    for (url, path) in listeners(&guestlist) {
        for hosts in ["", "Host: localhost\r\nHost: localhost\r\n", "Host: a b\r\n", "Host:\r\n"] {
            let response = exchange(url, &format!("GET {path} HTTP/1.1\r\n{hosts}\r\n")).await;
            assert!(has_status(&response, 400), "{url} {hosts:?}: {response}");
            if *url == guestlist.url {
                assert!(response.contains("application/problem+json"), "{response}");
                assert_eq!(json(&response)["code"], "bad_request");
            }
        }
        // A load balancer's probe may use HTTP/1.0.
        let response = exchange(url, &format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        assert!(has_status(&response, 200), "{url}: {response}");
    }
}

#[tokio::test]
async fn a_local_listener_accepts_local_hosts_only() {
    let setup = Guestlist::dev(Engine::Sqlite).env("SANDBOX_ALLOWED_HOSTS", "inbox.test,stytch");
    let guestlist = setup.start().await;
    let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for (url, path) in listeners(&guestlist) {
        for local in ["localhost", "localhost:1", "LOCALHOST.", "127.0.0.1:3000", "[::1]"] {
            let response = exchange(url, &get(path, local)).await;
            assert!(has_status(&response, 200), "{url} as {local}: {response}");
        }
        for other in ["evil.example", "localhost.evil.example:3002", "192.168.0.7"] {
            let response = exchange(url, &get(path, other)).await;
            assert!(has_status(&response, 403), "{url} as {other}: {response}");
        }
    }
    for (path, host) in [("/inbox", "inbox.test:80"), ("/sandbox/emails", "stytch")] {
        let response = exchange(&guestlist.sandbox_url, &get(path, host)).await;
        assert!(has_status(&response, 200), "{path} as {host}: {response}");
    }
    let response = exchange(&guestlist.url, &get("/v1/users", "evil.example")).await;
    assert_eq!(json(&response)["code"], "host_not_allowed");
}

/// Proxies, probes and scrapers use host names or addresses that are not configured.
#[tokio::test]
async fn a_public_listener_accepts_any_host() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    let port = guestlist_tests::free_port();
    guestlist.set_env("WORKER_LISTEN_ADDR", &format!("0.0.0.0:{port}"));
    let worker_url = format!("http://127.0.0.1:{port}");
    let _worker = guestlist.spawn("guestlist-worker", &[]);
    let caller = Caller::new(&worker_url);
    wait_until(LONG, "the worker is ready", async || {
        let ready = caller.try_call(reqwest::Method::GET, "/readyz", None, "").await;
        ready.ok().filter(|response| response.status == 200)
    })
    .await;
    for url in [&guestlist.url, &worker_url] {
        for host in ["guests.example.com", "10.1.2.3:3001"] {
            let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let response = exchange(url, &request).await;
            assert!(has_status(&response, 200), "{url} as {host}: {response}");
        }
    }
}
