//! Somebody at a browser, without the browser: keeps cookies, and says where requests come from.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;

use crate::{Answer, Caller};

/// Cookies, and a caller who sends them.
#[derive(Debug, Clone)]
pub struct Visitor {
    caller: Caller,
    jar: BTreeMap<String, String>,
}

impl Visitor {
    /// One without cookies.
    pub(crate) fn by(caller: &Caller) -> Self {
        let caller = caller.with("user-agent", "Guestlist's test browser");
        Self { caller: caller.with("accept", "text/html,*/*"), jar: BTreeMap::new() }
    }

    /// Goes to another address of the same application.
    pub fn move_to(&mut self, base: &str) {
        self.caller = self.caller.at(base);
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.get(name).map(String::as_str)
    }

    /// The session token.
    pub fn token(&self) -> &str {
        self.of_session("stytch_session")
    }

    /// The session JWT.
    pub fn jwt(&self) -> &str {
        self.of_session("stytch_session_jwt")
    }

    fn of_session(&self, name: &str) -> &str {
        let prefixed = self.cookie(&format!("__Host-{name}"));
        prefixed.or_else(|| self.cookie(name)).unwrap_or_else(|| panic!("a cookie {name}"))
    }

    /// Overwrites a cookie, as only a test does.
    pub fn set(&mut self, name: &str, value: &str) {
        self.jar.insert(name.to_owned(), value.to_owned());
    }

    /// Forgets a cookie, as a browser does at its end.
    pub fn forget(&mut self, name: &str) {
        self.jar.remove(name);
    }

    /// The same caller with the cookies as they are now, for requests that should change none.
    pub fn caller(&self) -> Caller {
        if self.jar.is_empty() {
            return self.caller.clone();
        }
        let pairs: Vec<_> =
            self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.caller.with("cookie", &pairs.join("; "))
    }

    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        let answer = self.caller().with("sec-fetch-site", "none").get(path).await;
        self.keep(answer)
    }

    /// Sends a form of a page of ours.
    pub async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.ours().form(path, fields).await;
        self.keep(answer)
    }

    /// Calls the API from a page of ours.
    pub async fn api(&mut self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let kind = body.map(|_| "application/json");
        let body = body.map(ToString::to_string).unwrap_or_default();
        let answer = self.ours().call(method, path, kind, body).await;
        self.keep(answer)
    }

    /// Presses Continue.
    pub async fn press(&mut self, token: &str) -> Answer {
        self.form("/authenticate", &[("token", token)]).await
    }

    fn ours(&self) -> Caller {
        self.caller().with("sec-fetch-site", "same-origin")
    }

    fn keep(&mut self, answer: Answer) -> Answer {
        for cookie in answer.set_cookies() {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((&cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}
