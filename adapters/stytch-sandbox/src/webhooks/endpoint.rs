//! The webhook endpoint and its signatures, which are those of Svix, Stytch's webhook service.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use url::Url;

use crate::error::Error;

const PREFIX: &str = "whsec_";

/// The URL that receives events about users, and the secret that they are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// An `http` or `https` URL.
    pub url: String,
    /// `whsec_<base64>`, as Stytch's dashboard shows it.
    pub secret: String,
}

impl WebhookEndpoint {
    /// Generates a secret of 24 bytes, as Svix's are.
    pub fn generate_secret() -> String {
        format!("{PREFIX}{}", STANDARD.encode(rand::random::<[u8; 24]>()))
    }
}

impl fmt::Debug for WebhookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookEndpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A validated endpoint.
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    key: hmac::Key,
}

impl Endpoint {
    pub(crate) fn new(endpoint: &WebhookEndpoint) -> Result<Self, Error> {
        let url = Url::parse(&endpoint.url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| Error::WebhookUrl(endpoint.url.clone()))?;
        let secret =
            endpoint.secret.strip_prefix(PREFIX).and_then(|secret| STANDARD.decode(secret).ok());
        let secret = secret.filter(|bytes| !bytes.is_empty()).ok_or(Error::WebhookSecret)?;
        Ok(Self { url, key: hmac::Key::new(hmac::HMAC_SHA256, &secret) })
    }

    /// Returns the `svix-signature` header of a message.
    pub(crate) fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        format!("v1,{}", STANDARD.encode(hmac::sign(&self.key, &signed)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, WebhookEndpoint};

    fn endpoint(url: &str, secret: &str) -> Result<Endpoint, String> {
        let endpoint = WebhookEndpoint { url: url.to_owned(), secret: secret.to_owned() };
        Endpoint::new(&endpoint).map_err(|error| error.to_string())
    }

    #[test]
    fn a_message_is_signed_as_in_the_example_of_svix() {
        let secret = "whsec_plJ3nmyCDGBKInavdOK15jsl";
        let Ok(endpoint) = endpoint("http://localhost/", secret) else { panic!("it is usable") };
        let body = br#"{"event_type":"ping","data":{"success":true}}"#;
        let signature = endpoint.signature("msg_loFOjxBNrRLzqYUf", 1_731_705_121, body);
        assert_eq!(signature, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=");
    }

    #[test]
    fn an_invalid_endpoint_is_rejected() {
        let secret = WebhookEndpoint::generate_secret();
        assert!(endpoint("https://example.com/hooks", &secret).is_ok());
        for url in ["", "localhost:3000", "ftp://example.com/", "/hooks"] {
            assert!(endpoint(url, &secret).is_err_and(|e| e.contains("webhook URL")), "{url}");
        }
        for secret in ["", "whsec_", "whsec_?", "c2VjcmV0"] {
            let result = endpoint("http://localhost/", secret);
            assert!(result.is_err_and(|e| e.contains("whsec_")), "{secret}");
        }
    }
}
