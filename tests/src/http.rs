//! HTTP requests and their responses.

mod openapi;
mod response;
mod socket;
mod visitor;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde_json::Value;

pub use openapi::{Operation, operations};
pub use response::Response;
pub use socket::Socket;
pub use visitor::Visitor;

/// A sender of requests, with a base URL and default headers.
#[derive(Debug, Clone)]
pub struct Caller {
    client: Client,
    base: String,
    headers: HeaderMap,
    /// Whether each response is validated against Guestlist's OpenAPI document.
    is_validated: bool,
}

/// Creates a client that follows no redirects and uses no proxy.
pub(crate) fn client() -> Client {
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.timeout(Duration::from_mins(1)).build().unwrap()
}

impl Caller {
    /// Creates a caller without credentials.
    pub fn new(base: &str) -> Self {
        Self::with_client(client(), base)
    }

    /// Creates a caller on an existing client, because building one takes milliseconds.
    pub(crate) fn with_client(client: Client, base: &str) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { client, base, headers: HeaderMap::new(), is_validated: false }
    }

    /// Returns a caller that sends this header, in place of one of the same name.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        let name: HeaderName = name.parse().unwrap();
        other.headers.insert(name, HeaderValue::from_str(value).unwrap());
        other
    }

    /// Returns a caller that sends one more header, whose value may be any bytes.
    #[must_use]
    pub fn with_bytes(&self, name: &str, value: &[u8]) -> Self {
        let mut other = self.clone();
        let name: HeaderName = name.parse().unwrap();
        other.headers.append(name, HeaderValue::from_bytes(value).unwrap());
        other
    }

    /// Returns a caller of another server.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { base, is_validated: false, ..self.clone() }
    }

    /// Returns a caller that validates each response against the OpenAPI document.
    pub(crate) fn validated(self) -> Self {
        Self { is_validated: true, ..self }
    }

    /// Returns a caller that sends `Authorization: Basic …`.
    #[must_use]
    pub fn basic(&self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        self.with("authorization", &format!("Basic {pair}"))
    }

    /// Returns a caller that sends `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(&self, secret: &str) -> Self {
        self.with("authorization", &format!("Bearer {secret}"))
    }

    /// Sends a `GET`.
    pub async fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path, None, "").await
    }

    /// Sends a `HEAD`.
    pub async fn head(&self, path: &str) -> Response {
        self.call(Method::HEAD, path, None, "").await
    }

    /// Sends a `DELETE`.
    pub async fn delete(&self, path: &str) -> Response {
        self.call(Method::DELETE, path, None, "").await
    }

    /// Sends a `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.call(Method::POST, path, Some("application/json"), body.to_string()).await
    }

    /// Sends a `POST` without a body.
    pub async fn post_nothing(&self, path: &str) -> Response {
        self.call(Method::POST, path, None, "").await
    }

    /// Sends a `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Response {
        self.call(Method::PATCH, path, Some("application/json"), body.to_string()).await
    }

    /// Sends a `POST` with a form, as a page does.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut url = reqwest::Url::parse("http://localhost").unwrap();
        url.query_pairs_mut().extend_pairs(fields);
        let body = url.query().unwrap_or_default();
        self.call(Method::POST, path, Some("application/x-www-form-urlencoded"), body).await
    }

    /// Returns every page of a list, following its cursors; `query` is what follows the `?`.
    pub async fn pages(&self, path: &str, query: &str) -> Vec<Vec<Value>> {
        let first = format!("{path}?{query}");
        let (mut pages, mut next) = (Vec::new(), first.clone());
        loop {
            let page = self.get(&next).await.is(200);
            pages.push(page.items());
            match page.json()["next_cursor"].as_str() {
                Some(cursor) => next = format!("{first}&cursor={cursor}"),
                None => return pages,
            }
        }
    }

    /// Sends any request.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: impl Into<Vec<u8>>,
    ) -> Response {
        let request = format!("{method} {path}");
        let response = self.try_call(method, path, content_type, body).await;
        response.unwrap_or_else(|error| panic!("{request}: {error:?}"))
    }

    /// Sends any request, to a server that may close the connection.
    ///
    /// # Errors
    ///
    /// Returns the client's error if no whole response arrives.
    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: impl Into<Vec<u8>>,
    ) -> Result<Response, reqwest::Error> {
        let request = self.client.request(method.clone(), format!("{}{path}", self.base));
        let mut request = request.headers(self.headers.clone()).body(body.into());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await?;
        let response = Response { request: format!("{method} {path}"), status, headers, body };
        if self.is_validated {
            openapi::validate(&method, path, &response);
        }
        Ok(response)
    }
}
