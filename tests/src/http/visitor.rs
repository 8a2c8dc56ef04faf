//! A caller that keeps cookies.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;

use super::{Caller, Response};

/// A caller that keeps cookies and sends the headers of a browser.
#[derive(Debug, Clone)]
pub struct Visitor {
    caller: Caller,
    jar: BTreeMap<String, String>,
}

impl Visitor {
    /// Creates a visitor without cookies.
    pub(crate) fn new(caller: &Caller) -> Self {
        let caller = caller.with("user-agent", "Guestlist's test browser");
        Self { caller: caller.with("accept", "text/html,*/*"), jar: BTreeMap::new() }
    }

    /// Sends further requests to another process of the same installation.
    pub fn move_to(&mut self, base: &str) {
        self.caller = self.caller.at(base);
    }

    /// Returns a cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.get(name).map(String::as_str)
    }

    /// Returns the session token.
    pub fn token(&self) -> &str {
        self.session_cookie("stytch_session")
    }

    /// Returns the session JWT.
    pub fn jwt(&self) -> &str {
        self.session_cookie("stytch_session_jwt")
    }

    fn session_cookie(&self, name: &str) -> &str {
        let prefixed = self.cookie(&format!("__Host-{name}"));
        prefixed.or_else(|| self.cookie(name)).unwrap_or_else(|| panic!("no cookie {name}"))
    }

    /// Sets a cookie.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.jar.insert(name.to_owned(), value.to_owned());
    }

    /// Removes a cookie, as a browser does when it expires.
    pub fn remove_cookie(&mut self, name: &str) {
        self.jar.remove(name);
    }

    /// Returns a caller with the current cookies, which ignores the cookies that it receives.
    pub fn caller(&self) -> Caller {
        if self.jar.is_empty() {
            return self.caller.clone();
        }
        let pairs: Vec<_> =
            self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.caller.with("cookie", &pairs.join("; "))
    }

    /// Opens a page, as from the address bar.
    pub async fn get(&mut self, path: &str) -> Response {
        let response = self.caller().with("sec-fetch-site", "none").get(path).await;
        self.store_cookies(response)
    }

    /// Submits a form of a page on the same origin.
    pub async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let response = self.same_origin().form(path, fields).await;
        self.store_cookies(response)
    }

    /// Calls the API from a script on the same origin.
    pub async fn api(&mut self, method: Method, path: &str, body: Option<&Value>) -> Response {
        let content_type = body.map(|_| "application/json");
        let body = body.map(ToString::to_string).unwrap_or_default();
        let response = self.same_origin().call(method, path, content_type, body).await;
        self.store_cookies(response)
    }

    /// Submits the form behind the Continue button of a magic link's page.
    pub async fn redeem_link(&mut self, token: &str) -> Response {
        self.form("/authenticate", &[("token", token)]).await
    }

    /// Returns a caller as of a page on the same origin.
    pub fn same_origin(&self) -> Caller {
        self.caller().with("sec-fetch-site", "same-origin")
    }

    fn store_cookies(&mut self, response: Response) -> Response {
        for cookie in response.set_cookies() {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((&cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }
}
