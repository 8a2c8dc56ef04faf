//! Keys that sign session JWTs as Stytch does, and a foreign one.

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::stub_server::PROJECT_ID;

pub(crate) static CURRENT_KEY: LazyLock<Key> = LazyLock::new(|| Key::new("jwk-test-1"));
/// The key after a rotation.
pub(crate) static NEXT_KEY: LazyLock<Key> = LazyLock::new(|| Key::new("jwk-test-2"));
/// A key that Stytch does not publish, under the id of [`CURRENT_KEY`].
pub(crate) static FOREIGN_KEY: LazyLock<Key> = LazyLock::new(|| Key::new("jwk-test-1"));

pub(crate) struct Key {
    kid: &'static str,
    pair: KeyPair,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        Self { kid, pair: KeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    pub(crate) fn modulus(&self) -> Vec<u8> {
        self.pair.public_key().modulus().big_endian_without_leading_zero().to_vec()
    }

    pub(crate) fn jwk(&self) -> Value {
        let exponent = self.pair.public_key().exponent();
        json!({
            "kty": "RSA", "use": "sig", "key_ops": ["verify"], "alg": "RS256", "kid": self.kid,
            "x5c": [], "x5tS256": "", "n": URL_SAFE_NO_PAD.encode(self.modulus()),
            "e": URL_SAFE_NO_PAD.encode(exponent.big_endian_without_leading_zero()),
        })
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": "RS256", "kid": self.kid, "typ": "JWT"})
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = unsigned(header, claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns a valid JWT, issued at that time.
    pub(crate) fn jwt(&self, now: Timestamp) -> String {
        self.sign(&self.header(), &claims(now))
    }
}

/// Returns header and claims, the part that is signed.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// Returns the claims of a JWT issued at that time.
pub(crate) fn claims(now: Timestamp) -> Value {
    json!({
        "aud": [PROJECT_ID],
        "exp": now.as_second() + 300,
        "https://stytch.com/session": {
            "id": "session-test-1",
            "started_at": "2026-11-23T09:00:00Z",
            "last_accessed_at": "2026-11-23T10:00:00Z",
            "expires_at": "2026-11-23T12:00:00Z",
            "attributes": {"user_agent": "", "ip_address": ""},
            "authentication_factors": [],
            "roles": ["stytch_user"],
        },
        "iat": now.as_second(),
        "iss": format!("stytch.com/{PROJECT_ID}"),
        "nbf": now.as_second(),
        "sub": "user-test-1",
    })
}

/// Returns the response with a key set.
pub(crate) fn jwks(keys: &[&Key]) -> Value {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json!({"status_code": 200, "request_id": "request-id-test-1", "keys": keys})
}
