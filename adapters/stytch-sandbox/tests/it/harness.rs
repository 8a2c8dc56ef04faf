//! A sandbox on a free port, and a client for it.

use std::{path::Path, time::Duration};

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use stytch_sandbox::{Credentials, Options, Sandbox};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const CALLBACK: &str = "http://localhost:3000/authenticate";

pub(crate) struct TestSandbox {
    pub(crate) url: String,
    pub(crate) credentials: Credentials,
    pub(crate) http: reqwest::Client,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// The status and the body of a response.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl TestSandbox {
    /// Starts a sandbox without the mail limit.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_on(state: &Path) -> Self {
        let credentials = stytch_sandbox::stored_credentials(state).unwrap();
        Self::start_with(|options| {
            options.state = Some(state.to_owned());
            if let Some(stored) = credentials {
                options.credentials = stored;
            }
        })
        .await
    }

    pub(crate) async fn start_with(set: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(([127, 0, 0, 1], 0).into(), Credentials::generate());
        options.mail_limit = false;
        set(&mut options);
        let credentials = options.credentials.clone();
        let sandbox = Sandbox::bind(options).await.unwrap();
        let (url, stop) = (sandbox.url(), CancellationToken::new());
        let token = stop.clone();
        let serving = tokio::spawn(async move { sandbox.serve(token).await.unwrap() });
        Self { url, credentials, http: client(), stop, serving }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
    }

    /// Builds a request with credentials.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let Credentials { project_id, secret } = &self.credentials;
        self.unauthenticated(method, path).basic_auth(project_id, Some(secret))
    }

    pub(crate) fn unauthenticated(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> ApiResponse {
        ApiResponse::of(self.request(Method::POST, path).json(&body).send().await.unwrap()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> ApiResponse {
        ApiResponse::of(self.request(Method::PUT, path).json(&body).send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> ApiResponse {
        ApiResponse::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> ApiResponse {
        ApiResponse::of(self.request(Method::DELETE, path).send().await.unwrap()).await
    }

    pub(crate) async fn invite(&self, email: &str) -> ApiResponse {
        self.post("/v1/magic_links/email/invite", json!({"email": email})).await
    }

    pub(crate) async fn login_or_create(&self, email: &str) -> ApiResponse {
        self.post("/v1/magic_links/email/login_or_create", json!({"email": email})).await
    }

    pub(crate) async fn authenticate(&self, token: &str) -> ApiResponse {
        let body = json!({"token": token, "session_duration_minutes": 60});
        self.post("/v1/magic_links/authenticate", body).await
    }

    /// Invites a user, uses the link, and returns `{user_id, session_token, session_jwt, session, user}`.
    pub(crate) async fn invite_and_accept(&self, email: &str) -> Value {
        self.invite(email).await.ok();
        self.authenticate(&self.last_token(email).await).await.ok()
    }

    pub(crate) async fn authenticate_session(&self, session_token: &Value) -> ApiResponse {
        self.post("/v1/sessions/authenticate", json!({"session_token": session_token})).await
    }

    pub(crate) async fn emails(&self, to: &str) -> Vec<Value> {
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let request = self.unauthenticated(Method::GET, &format!("/sandbox/emails?to={to}"));
        request.send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn last_token(&self, to: &str) -> String {
        let emails = self.emails(to).await;
        emails.last().unwrap()["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn set_fault(&self, fault: Value) {
        self.put("/sandbox/faults", fault).await.ok();
    }

    pub(crate) async fn advance_clock(&self, seconds: i64) {
        self.put("/sandbox/clock", json!({"advance_seconds": seconds})).await.ok();
    }

    pub(crate) async fn stats(&self) -> Value {
        self.get("/sandbox/stats").await.ok()
    }
}

impl ApiResponse {
    pub(crate) async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}"));
        Self { status, body }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// Asserts an error with all fields of the envelope.
    #[track_caller]
    pub(crate) fn rejected(self, status: u16, error_type: &str) {
        let Value::Object(body) = &self.body else { panic!("{self:?}") };
        assert_eq!((self.status, &body["error_type"]), (status, &json!(error_type)), "{self:?}");
        let mut fields: Vec<_> = body.keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            ["error_message", "error_type", "error_url", "request_id", "status_code"]
        );
        assert_eq!(body["status_code"], status);
        assert!(body["request_id"].as_str().unwrap().starts_with("request-id-test-"));
        assert!(!body["error_message"].as_str().unwrap().is_empty());
        let url = format!("https://stytch.com/docs/api/errors/{status}#{error_type}");
        assert_eq!(body["error_url"], url);
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

/// Verifies a JWT with the published keys and returns its claims.
pub(crate) async fn verified_claims(sandbox: &TestSandbox, jwt: &str) -> Value {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

    let project_id = &sandbox.credentials.project_id;
    let path = format!("/v1/sessions/jwks/{project_id}");
    let jwks = ApiResponse::of(sandbox.unauthenticated(Method::GET, &path).send().await.unwrap())
        .await
        .ok();
    let header = decode_header(jwt).unwrap();
    assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::RS256, Some("JWT")));
    let kid = header.kid.unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"] == kid.as_str()).expect("its key is published");
    let member = |name: &str| key[name].as_str().unwrap();
    let key = DecodingKey::from_rsa_components(member("n"), member("e")).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false; // The sandbox's clock may be shifted.
    validation.set_audience(&[project_id]);
    validation.set_issuer(&[format!("stytch.com/{project_id}")]);
    decode::<Value>(jwt, &key, &validation).unwrap().claims
}
