//! Valid and invalid uses of every call that the sandbox supports, with the SDK for Rust.

mod authenticate;
mod constants;
mod errors;
mod exchange;
mod jwts;
mod links;
mod search;
mod sessions;
mod users;

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use serde_json::Value;
use stytch::client::Vertical;
use stytch::consumer::client::Client;
use stytch::consumer::magic_links::{AuthenticateRequest, AuthenticateResponse};
use stytch::consumer::magic_links_email::LoginOrCreateRequest;
use stytch::consumer::users::{CreateRequest, CreateResponse};

use crate::sandbox::{PROJECT_ID, SECRET, Sandbox};

const REDIRECT: &str = "http://localhost:3000/authenticate";
const OTHER_PROJECT: &str = "project-test-00000000-0000-4000-8000-00000000ffff";
const UNKNOWN_USER: &str = "user-test-00000000-0000-4000-8000-000000000000";
const UNKNOWN_TOKEN: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

/// An SDK client and its sandbox.
struct Sdk {
    sandbox: Sandbox,
    /// The SDK's HTTP client, which also caches the keys.
    http: stytch::client::Client,
    client: Client,
}

impl Deref for Sdk {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Sdk {
    async fn start() -> Self {
        Self::with_sandbox(Sandbox::start().await)
    }

    fn with_sandbox(sandbox: Sandbox) -> Self {
        let http = http(&sandbox.url, PROJECT_ID, SECRET);
        let client = Client::new_with_http_client(http.clone(), http.clone());
        Self { sandbox, http, client }
    }

    /// Returns another client of the same sandbox.
    fn client_with(&self, project_id: &str, secret: &str) -> Client {
        let http = http(&self.sandbox.url, project_id, secret);
        Client::new_with_http_client(http.clone(), http)
    }

    async fn advance(&self, seconds: i64) {
        self.sandbox.control.advance_clock(seconds).await;
    }

    /// Returns the token of the latest mail to an address.
    async fn token(&self, to: &str) -> String {
        self.sandbox.control.emails(to).await.pop().expect("there is mail").token
    }

    /// Returns the token of a link for an address, whose user is created if necessary.
    async fn link(&self, email: &str) -> String {
        let email = email.to_owned();
        let request = LoginOrCreateRequest { email: email.clone(), ..Default::default() };
        let _ = self.magic_links.email.login_or_create(request).await.unwrap();
        self.token(&email).await
    }

    async fn authenticate(&self, token: String) -> stytch::Result<AuthenticateResponse> {
        let request = AuthenticateRequest { token, ..Default::default() };
        self.magic_links.authenticate(request).await
    }

    /// Authenticates a link of an address, with a session of some minutes.
    async fn log_in(&self, email: &str, minutes: i32) -> AuthenticateResponse {
        let request = AuthenticateRequest {
            token: self.link(email).await,
            session_duration_minutes: Some(minutes),
            ..Default::default()
        };
        self.magic_links.authenticate(request).await.unwrap()
    }

    async fn create(&self, request: CreateRequest) -> CreateResponse {
        let email = request.email.or_else(|| Some(address()));
        self.users.create(CreateRequest { email, ..request }).await.unwrap()
    }
}

fn http(url: &str, project_id: &str, secret: &str) -> stytch::client::Client {
    let url = format!("{url}/").parse().unwrap();
    stytch::client::Client::new_with_base_url(project_id, secret, url, Vertical::Consumer).unwrap()
}

/// Returns a unique address.
fn address() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    format!("ada-{}@example.com", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Asserts that the SDK returns an error with every member of Stytch's error envelope.
#[track_caller]
fn assert_refused<T: Debug>(response: stytch::Result<T>, status: u16, error_type: &str) {
    let error = match response {
        Err(stytch::Error::Response(error)) => error,
        other => panic!("{status} {error_type} was expected, not {other:?}"),
    };
    assert_eq!((error.status_code.as_u16(), error.error_type.as_str()), (status, error_type));
    assert!(error.request_id.starts_with("request-id-test-"), "{error:?}");
    assert!(!error.error_message.is_empty(), "{error:?}");
    let url = format!("https://stytch.com/docs/api/errors/{status}#{error_type}");
    assert_eq!(error.error_url, url);
}

/// Converts to JSON, because the SDK's types do not implement `PartialEq`.
fn json(what: &impl Serialize) -> Value {
    serde_json::to_value(what).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "as the SDK's fields have it")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Awaits a call, and asserts that it succeeds.
macro_rules! ok {
    ($call:expr) => {{
        let response = $call.await.unwrap();
        assert_eq!(response.status_code.as_u16(), 200);
        assert!(response.request_id.starts_with("request-id-test-"), "{response:?}");
        response
    }};
}
use ok;
