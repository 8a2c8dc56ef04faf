//! Calls, and answers with what every answer must have.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use crate::contract;

/// Somebody who calls: where, and with which headers.
#[derive(Debug, Clone)]
pub struct Caller {
    client: Client,
    base: String,
    headers: HeaderMap,
    /// Whether what answers is Guestlist's API, whose answers are told of.
    is_told: bool,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, for messages.
    pub asked: String,
    /// 200, and so on.
    pub status: u16,
    /// As sent.
    pub headers: HeaderMap,
    /// As sent.
    pub body: String,
}

pub(crate) fn client() -> Client {
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.timeout(Duration::from_mins(1)).build().unwrap()
}

impl Caller {
    /// Somebody without credentials.
    pub fn new(base: &str) -> Self {
        Self::by(client(), base)
    }

    /// The same by a client that is there: making one takes a while.
    pub(crate) fn by(client: Client, base: &str) -> Self {
        Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
            headers: HeaderMap::new(),
            is_told: false,
        }
    }

    /// The same with another header.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        let name: HeaderName = name.parse().unwrap();
        other.headers.insert(name, HeaderValue::from_str(value).unwrap());
        other
    }

    /// The same with one more line of a header, of any bytes.
    #[must_use]
    pub fn with_bytes(&self, name: &str, value: &[u8]) -> Self {
        let mut other = self.clone();
        let name: HeaderName = name.parse().unwrap();
        other.headers.append(name, HeaderValue::from_bytes(value).unwrap());
        other
    }

    /// The same at another address.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), is_told: false, ..self.clone() }
    }

    /// The same, of Guestlist's API: every answer is held against what is told of it.
    pub(crate) fn told(self) -> Self {
        Self { is_told: true, ..self }
    }

    /// The same with `Authorization: Basic …`.
    #[must_use]
    pub fn basic(&self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        self.with("authorization", &format!("Basic {pair}"))
    }

    /// The same with `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(&self, secret: &str) -> Self {
        self.with("authorization", &format!("Bearer {secret}"))
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None, "").await
    }

    /// `HEAD`
    pub async fn head(&self, path: &str) -> Answer {
        self.call(Method::HEAD, path, None, "").await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None, "").await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, Some("application/json"), body.to_string()).await
    }

    /// `POST` of nothing.
    pub async fn post_nothing(&self, path: &str) -> Answer {
        self.call(Method::POST, path, None, "").await
    }

    /// `PATCH` of JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path, Some("application/json"), body.to_string()).await
    }

    /// `POST` of a form, as a page sends it.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut url = reqwest::Url::parse("http://localhost").unwrap();
        url.query_pairs_mut().extend_pairs(fields);
        let body = url.query().unwrap_or_default();
        self.call(Method::POST, path, Some("application/x-www-form-urlencoded"), body).await
    }

    /// Any request, whatever its body.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        kind: Option<&str>,
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let asked = format!("{method} {path}");
        let answer = self.try_call(method, path, kind, body).await;
        answer.unwrap_or_else(|error| panic!("{asked}: {error:?}"))
    }

    /// The same, where no answer is an answer too: while the server is being killed.
    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        kind: Option<&str>,
        body: impl Into<Vec<u8>>,
    ) -> Result<Answer, reqwest::Error> {
        let asked = format!("{method} {path}");
        let request = self.client.request(method.clone(), format!("{}{path}", self.base));
        let mut request = request.headers(self.headers.clone()).body(body.into());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await?;
        let answer = Answer { asked, status, headers, body };
        if self.is_told {
            contract::hold(&method, path, &answer);
        }
        Ok(answer)
    }
}

impl Answer {
    /// Itself, if it has that status.
    #[track_caller]
    #[must_use]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.body);
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let json = serde_json::from_str(&self.body);
        json.unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.body))
    }

    /// A header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A problem of that status and code, in the shape that all have.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}: wanted {code}: {}", self.asked, self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}: {problem}", self.asked);
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["type", "title", "detail", "request_id"] {
            let text = problem[member].as_str();
            assert!(text.is_some_and(|text| !text.is_empty()), "{member} is missing: {problem}");
        }
        let title = StatusCode::from_u16(status).unwrap().canonical_reason();
        assert_eq!(problem["title"].as_str(), title, "{problem}");
        if let Some(id) = self.header("x-request-id")
            && self.header("idempotent-replayed").is_none()
        {
            assert_eq!(problem["request_id"], id, "{problem}");
        }
        for error in problem["errors"].as_array().into_iter().flatten() {
            assert!(error["pointer"].is_string() && error["detail"].is_string(), "{problem}");
        }
        problem
    }

    /// A problem of that status and code, told as a page or as JSON.
    #[track_caller]
    pub fn page_or_problem(&self, status: u16, code: &str) {
        if self.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            assert_eq!(self.status, status, "{}: wanted {code}: {}", self.asked, self.body);
            let marked = self.body.contains(&format!("data-code=\"{code}\""));
            assert!(marked, "{}: wanted {code}: {}", self.asked, self.body);
        } else {
            let _ = self.problem(status, code);
        }
    }

    /// The pointers to the fields that are wrong.
    #[track_caller]
    pub fn pointers(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    /// The `Set-Cookie` of that name, whole.
    pub fn set_cookie(&self, name: &str) -> Option<String> {
        self.set_cookies().into_iter().rfind(|cookie| cookie.starts_with(&format!("{name}=")))
    }

    /// Every `Set-Cookie`, whole.
    pub fn set_cookies(&self) -> Vec<String> {
        let cookies = self.headers.get_all("set-cookie").iter();
        cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
    }

    /// Whether it clears both cookies of a session.
    pub fn clears_cookies(&self) -> bool {
        let is_cleared = |name: &str| {
            let cookie = self.set_cookie(name);
            cookie.is_some_and(|c| c.starts_with(&format!("{name}=;")) && c.contains("Max-Age=0"))
        };
        ["stytch_session", "stytch_session_jwt"].into_iter().all(is_cleared)
    }
}
