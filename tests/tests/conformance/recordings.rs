//! Replays recorded requests of the official SDKs, byte for byte except for placeholders.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use guestlist_tests::Caller;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sandbox::{PROJECT_ID, SECRET, Sandbox};

const RECORDINGS: &str = include_str!("../../conformance/recordings.jsonl");

/// The placeholders for a user who is created for each request.
const ADA: &str = "ada@example.com";
const USER: &str = "user-test-16d9ba61-97a1-4ba4-9720-b03761dc50c6";
const EMAIL: &str = "email-test-81bf03a8-86e1-4d95-bd44-bb3495224953";
const SESSION: &str = "session-test-fe6c042b-6286-479f-8a4f-b046a6c46509";
const JWT: &str = "<JWT>";
const AUTHORIZATION: &str = "Basic base64(project_id:secret)";

#[derive(Deserialize)]
struct Recording {
    sdk: String,
    op: String,
    method: String,
    target: String,
    http_version: String,
    headers: Map<String, Value>,
    body_raw: String,
}

/// The state that an operation needs, and the values of the placeholders.
struct Fixture {
    caller: Caller,
    placeholders: Vec<(&'static str, String)>,
}

impl Fixture {
    /// Creates the state that an operation needs to succeed.
    async fn create(sandbox: &Sandbox, op: &str) -> Self {
        let caller = Caller::new(&sandbox.url).basic(PROJECT_ID, SECRET);
        let port = sandbox.url.rsplit(':').next().unwrap().to_owned();
        let basic = format!("Basic {}", STANDARD.encode(format!("{PROJECT_ID}:{SECRET}")));
        let mut fixture =
            Self { caller, placeholders: vec![("PORT", port), (AUTHORIZATION, basic)] };
        // An address may receive one mail a second.
        sandbox.control.advance_clock(2).await;
        fixture.remove_user().await;
        match op {
            "users.create" | "invite" | "login_or_create" => {}
            "revoke_invite" => {
                let _ = fixture.post("/v1/magic_links/email/invite", &json!({"email": ADA})).await;
            }
            "send" => {
                let _ = fixture.post("/v1/users", &json!({"email": ADA})).await;
            }
            _ => fixture.log_in(sandbox).await,
        }
        fixture
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.caller.post(path, body).await.is(200).json()
    }

    async fn remove_user(&self) {
        let filter = json!({"filter_name": "email_address", "filter_value": [ADA]});
        let query = json!({"query": {"operator": "AND", "operands": [filter]}});
        let found = self.post("/v1/users/search", &query).await;
        for user in found["results"].as_array().unwrap() {
            let id = user["user_id"].as_str().unwrap();
            let _ = self.caller.delete(&format!("/v1/users/{id}")).await.is(200);
        }
    }

    /// Creates the user with a session, whose JWT has expired, and with a second address.
    async fn log_in(&mut self, sandbox: &Sandbox) {
        sandbox.control.advance_clock(-400).await;
        let _ = self.post("/v1/magic_links/email/login_or_create", &json!({"email": ADA})).await;
        let token = sandbox.control.emails(ADA).await.pop().unwrap().token;
        let request = json!({"token": token, "session_duration_minutes": 60});
        let response = self.post("/v1/magic_links/authenticate", &request).await;
        sandbox.control.advance_clock(400).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let user_id = text(&response["user_id"]);
        let second = json!({"email": format!("{user_id}@example.com"), "user_id": user_id});
        let _ = self.post("/v1/magic_links/email/send", &second).await;
        self.placeholders.extend([
            (USER, user_id),
            (EMAIL, text(&response["method_id"])),
            (SESSION, text(&response["session"]["session_id"])),
            (JWT, text(&response["session_jwt"])),
        ]);
    }

    /// Replaces every placeholder. The SDK for Rust percent-encodes each `-` of an id.
    fn fill(&self, text: &str) -> String {
        self.placeholders.iter().fold(text.to_owned(), |text, (placeholder, value)| {
            let encode = |id: &str| id.replace('-', "%2D");
            text.replace(placeholder, value).replace(&encode(placeholder), &encode(value))
        })
    }

    fn request(&self, recording: &Recording) -> String {
        let Recording { method, http_version, .. } = recording;
        let body = self.fill(&recording.body_raw);
        let mut request = format!("{method} {} {http_version}\r\n", self.fill(&recording.target));
        for (name, value) in &recording.headers {
            let value = if name.eq_ignore_ascii_case("content-length") {
                body.len().to_string()
            } else {
                self.fill(value.as_str().unwrap())
            };
            for part in [name.as_str(), ": ", &value, "\r\n"] {
                request.push_str(part);
            }
        }
        request + "\r\n" + &body
    }
}

/// Sends a request, and returns the status and body; the connection may stay open.
async fn exchange(sandbox: &Sandbox, request: &str) -> (u16, Value) {
    let address = sandbox.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&response).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let length = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let length: usize = length.map(|(_, value)| value.parse::<usize>().unwrap()).sum();
            if body.len() >= length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, serde_json::from_str(body).unwrap());
            }
        }
        let read = stream.read_buf(&mut response).await.unwrap();
        assert!(read > 0, "the connection ended after {text:?}, asked\n{request}");
    }
}

#[tokio::test]
async fn the_sandbox_accepts_every_recorded_request() {
    let sandbox = Sandbox::start().await;
    let recordings: Vec<Recording> =
        RECORDINGS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(recordings.len(), 56);
    for recording in recordings {
        let fixture = Fixture::create(&sandbox, &recording.op).await;
        let request = fixture.request(&recording);
        let left = [USER, EMAIL, SESSION, JWT, AUTHORIZATION];
        assert!(!left.iter().any(|placeholder| request.contains(placeholder)), "{request}");
        let (status, response) = exchange(&sandbox, &request).await;
        // The SDK for Rust sends `ptbr`, which is not a locale of Stytch.
        let expected = if request.contains(r#""locale":"ptbr""#) {
            assert_eq!(response["error_type"], "invalid_locale", "{response}");
            400
        } else {
            200
        };
        assert_eq!(status, expected, "{}\n{request}\n\n{response}", recording.sdk);
        assert_eq!(response["status_code"], status, "{response}");
        assert!(response["request_id"].is_string(), "{response}");
    }
}
