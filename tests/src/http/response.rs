//! Responses, with the assertions that tests share.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// A response whose body has been read.
#[derive(Debug, Clone)]
pub struct Response {
    /// The request's method and path, for messages.
    pub request: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Response {
    /// Asserts the status, and returns the response.
    #[track_caller]
    #[must_use]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.request, self.body);
        self
    }

    /// Parses the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let json = serde_json::from_str(&self.body);
        json.unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.body))
    }

    /// Returns the `items` of a list.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        let json = self.json();
        json["items"].as_array().unwrap_or_else(|| panic!("{}: {json}", self.request)).clone()
    }

    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns whether the response was stored under an idempotency key and is replayed.
    pub fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// Asserts that this is a problem of that status and code with every required member, and
    /// returns its body.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}: expected {code}: {}", self.request, self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}: {problem}", self.request);
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["type", "title", "detail", "request_id"] {
            let text = problem[member].as_str();
            assert!(text.is_some_and(|text| !text.is_empty()), "{member} is missing: {problem}");
        }
        let title = StatusCode::from_u16(status).unwrap().canonical_reason();
        assert_eq!(problem["title"].as_str(), title, "{problem}");
        if let Some(id) = self.header("x-request-id")
            && !self.is_replayed()
        {
            assert_eq!(problem["request_id"], id, "{problem}");
        }
        for error in problem["errors"].as_array().into_iter().flatten() {
            assert!(error["pointer"].is_string() && error["detail"].is_string(), "{problem}");
        }
        problem
    }

    /// Asserts that this is a problem of that status and code, as JSON or as an HTML page.
    #[track_caller]
    pub fn page_or_problem(&self, status: u16, code: &str) {
        if self.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            assert_eq!(self.status, status, "{}: expected {code}: {}", self.request, self.body);
            let has_code = self.body.contains(&format!("data-code=\"{code}\""));
            assert!(has_code, "{}: expected {code}: {}", self.request, self.body);
        } else {
            let _ = self.problem(status, code);
        }
    }

    /// Returns the JSON pointers to the invalid fields.
    #[track_caller]
    pub fn pointers(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().into_iter().flatten();
        errors.map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns the last `Set-Cookie` header for a cookie, with its attributes.
    pub fn set_cookie(&self, name: &str) -> Option<String> {
        self.set_cookies().into_iter().rfind(|cookie| cookie.starts_with(&format!("{name}=")))
    }

    /// Returns every `Set-Cookie` header.
    pub fn set_cookies(&self) -> Vec<String> {
        let cookies = self.headers.get_all("set-cookie").iter();
        cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
    }

    /// Returns whether both session cookies are cleared.
    pub fn clears_cookies(&self) -> bool {
        let is_cleared = |name: &str| {
            let cookie = self.set_cookie(name);
            cookie.is_some_and(|c| c.starts_with(&format!("{name}=;")) && c.contains("Max-Age=0"))
        };
        ["stytch_session", "stytch_session_jwt"].into_iter().all(is_cleared)
    }
}
