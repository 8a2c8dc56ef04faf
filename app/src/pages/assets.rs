//! The stylesheet and the script of all pages.

use std::io::Write;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

pub static STYLESHEET: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("guestlist.css", "text/css", include_str!("../../static/guestlist.css"))
});
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("guestlist.js", "text/javascript", include_str!("../../static/guestlist.js"))
});

/// A file that never changes while the program runs.
#[derive(Debug)]
pub struct Asset {
    /// Path with the version, so that browsers fetch a new version at once and keep it for good.
    pub url: String,
    version: String,
    content_type: String,
    content: Bytes,
    compressed: Option<Bytes>,
}

impl Asset {
    pub fn new(name: &str, media_type: &str, content: &'static str) -> Self {
        let hash = Sha256::digest(content);
        let version = URL_SAFE_NO_PAD.encode(&hash[..9]);
        Self {
            url: format!("/static/{name}?v={version}"),
            version,
            content_type: format!("{media_type}; charset=utf-8"),
            content: Bytes::from_static(content.as_bytes()),
            compressed: gzip(content.as_bytes()),
        }
    }

    /// Returns the response to a request for the file.
    pub fn serve(&self, uri: &Uri, headers: &HeaderMap) -> Response {
        let etag = format!("\"{}\"", self.version);
        // While two versions of the program run, a page of one may ask the other for its file.
        let is_this_version =
            uri.query().and_then(|query| query.strip_prefix("v=")) == Some(&self.version);
        let caching =
            if is_this_version { "public, max-age=31536000, immutable" } else { "no-cache" };
        let about = [
            (header::CACHE_CONTROL, caching),
            (header::ETAG, etag.as_str()),
            (header::VARY, "accept-encoding"),
        ];
        if includes(headers, header::IF_NONE_MATCH, &etag) {
            return (StatusCode::NOT_MODIFIED, about).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.content_type.as_str())];
        match &self.compressed {
            Some(compressed) if includes(headers, header::ACCEPT_ENCODING, "gzip") => {
                let encoding = [(header::CONTENT_ENCODING, "gzip")];
                (about, kind, encoding, compressed.clone()).into_response()
            }
            _ => (about, kind, self.content.clone()).into_response(),
        }
    }
}

/// Compresses a file. Pages are not compressed, because the length of a response that contains both a
/// secret and a text of the sender would disclose the secret (BREACH).
pub fn gzip(content: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).ok()?;
    Some(encoder.finish().ok()?.into())
}

/// Returns whether a header's list has this value without parameters, such as `q=0`.
pub fn includes(headers: &HeaderMap, name: header::HeaderName, value: &str) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| item.trim() == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(uri: &str, name: header::HeaderName, value: &str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        SCRIPT.serve(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn only_the_url_with_this_version_is_kept_for_good() {
        let caching = |uri: &str| {
            let response = response(uri, header::ACCEPT, "*/*");
            response.headers()[header::CACHE_CONTROL].to_str().unwrap().to_owned()
        };
        assert!(caching(&SCRIPT.url).contains("immutable"));
        for other in ["/static/guestlist.js", "/static/guestlist.js?v=other"] {
            assert_eq!(caching(other), "no-cache", "{other}");
        }
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let etag = format!("\"{}\"", SCRIPT.version);
        let known = response("/static/guestlist.js", header::IF_NONE_MATCH, &etag);
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        let old = response("/static/guestlist.js", header::IF_NONE_MATCH, "\"old\"");
        assert_eq!(old.status(), StatusCode::OK);
    }

    #[test]
    fn files_are_compressed_for_clients_that_accept_it() {
        let is_compressed = |accepted: &str| {
            let response = response(&SCRIPT.url, header::ACCEPT_ENCODING, accepted);
            response.headers().contains_key(header::CONTENT_ENCODING)
        };
        assert!(is_compressed("gzip, deflate, br, zstd"));
        assert!(!is_compressed("br, gzip;q=0"));
    }
}
