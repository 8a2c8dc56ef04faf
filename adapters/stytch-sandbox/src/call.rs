//! One request, read whole. Tolerant where the SDKs differ: a body on GET is ignored, `null`
//! means absent, unknown fields pass, ids in the path are percent-decoded.

use hyper::{
    HeaderMap, Method, StatusCode,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
    http::request::Parts,
};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::{refusal::Refusal, webhooks::Source};

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Percent-decoded.
    pub(crate) path: String,
    /// What the route's `{…}` stood for; empty where the route has none.
    pub(crate) id: String,
    pub(crate) source: Source,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What an optional text says: nothing where it is empty, as where it is absent.
pub(crate) fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

impl Call {
    pub(crate) fn new(parts: Parts, body: Bytes) -> Self {
        Self {
            path: percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned(),
            id: String::new(),
            source: Source::Direct,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            // A HEAD is answered like its GET; hyper leaves the body out.
            method: if parts.method == Method::HEAD { Method::GET } else { parts.method },
            headers: parts.headers,
            body,
        }
    }

    /// Refuses bodies other than JSON where something may change: forms and plain text are what a
    /// page of another origin can send without asking.
    pub(crate) fn require_json(&self) -> Result<(), Refusal> {
        let content_type = self.headers.get(CONTENT_TYPE);
        if self.method == Method::GET || content_type.is_none() && self.body.is_empty() {
            return Ok(());
        }
        let text = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_type",
            "Send the body as JSON, with Content-Type: application/json.",
        ))
    }

    /// The body as `T`; an empty one or `null` counts as `{}`.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let body = match self.body.trim_ascii() {
            b"" | b"null" => b"{}".as_slice(),
            body => body,
        };
        serde_json::from_slice(body)
            .map_err(|error| Refusal::bad_request("bad_request", error.to_string()))
    }

    /// The same, of a request to the control plane.
    pub(crate) fn control_json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        self.json().map_err(|refusal| Refusal::unprocessable(refusal.message))
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    pub(crate) fn host(&self) -> &str {
        self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:3002")
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        self.headers.get(AUTHORIZATION)?.to_str().ok()
    }
}
