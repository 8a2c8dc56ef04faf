//! The API reference: the OpenAPI document as a page, on which requests can be tried.

mod prose;
mod reference;
mod schema;

use std::sync::LazyLock;

use askama::Template;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use self::reference::Reference;
use super::assets::{Asset, gzip, includes};
use super::layout::content_security_policy;
use crate::config::SiteConfig;

pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("docs.js", "text/javascript", include_str!("../../static/docs.js"))
});

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage<'a> {
    app_name: &'a str,
    reference: Reference,
    /// Guestlist's origin.
    url: String,
}

/// The rendered page, which is the same for everyone.
#[derive(Debug)]
pub struct ReferencePage {
    html: Bytes,
    compressed: Option<Bytes>,
    policy: HeaderValue,
}

impl ReferencePage {
    pub fn new(site: &SiteConfig, document: &Value) -> anyhow::Result<Self> {
        let url = site.public_url.origin().ascii_serialization();
        let reference = Reference::new(document);
        let html = DocsPage { app_name: &site.app_name, reference, url }.render()?;
        Ok(Self {
            compressed: gzip(html.as_bytes()),
            html: html.into(),
            policy: content_security_policy(site)?,
        })
    }

    /// Returns the response to `GET /docs`.
    pub fn serve(&self, headers: &HeaderMap) -> Response {
        let about = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
        ];
        match &self.compressed {
            // The page contains no secret that its length could disclose.
            Some(compressed) if includes(headers, header::ACCEPT_ENCODING, "gzip") => {
                (about, [(header::CONTENT_ENCODING, "gzip")], compressed.clone()).into_response()
            }
            _ => (about, self.html.clone()).into_response(),
        }
    }
}
