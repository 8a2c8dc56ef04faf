//! The RSA keys that sign session JWTs, published in the form of Stytch's JWKS.

use std::collections::HashMap;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_listener::BoxError;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use rcgen::CertificateParams;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ids;
use super::session::{SESSION_CLAIM, issuer};
use crate::response::ApiError;

/// A key pair, as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) kid: String,
    /// The private key, in base64.
    pkcs8: String,
    /// The public key, as a member of the JWKS.
    pub(crate) jwk: Value,
    pub(crate) retired_at: Option<Timestamp>,
}

/// The current key, parsed for signing.
pub(crate) struct Signer {
    kid: String,
    pair: KeyPair,
}

impl Key {
    /// Generates a key, which takes about a tenth of a second.
    pub(crate) fn generate() -> Result<Self, BoxError> {
        let pair = KeyPair::generate(KeySize::Rsa2048)?;
        let der: Pkcs8V1Der<'_> = pair.as_der()?;
        let kid = ids::id("jwk");
        let jwk = jwk(&kid, &pair, &certificate(der.as_ref())?);
        Ok(Self { kid, pkcs8: STANDARD.encode(der.as_ref()), jwk, retired_at: None })
    }

    pub(crate) fn retired(self, now: Timestamp) -> Self {
        Self { retired_at: Some(now), ..self }
    }

    fn decoding_key(&self) -> Option<DecodingKey> {
        let member = |name: &str| self.jwk.get(name)?.as_str();
        DecodingKey::from_rsa_components(member("n")?, member("e")?).ok()
    }
}

impl Signer {
    pub(crate) fn new(key: &Key) -> Result<Self, BoxError> {
        let pair = KeyPair::from_pkcs8(&STANDARD.decode(&key.pkcs8)?)?;
        Ok(Self { kid: key.kid.clone(), pair })
    }

    pub(crate) fn sign(&self, claims: &Value) -> Result<String, ApiError> {
        let header = json!({"alg": "RS256", "kid": self.kid, "typ": "JWT"});
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| ApiError::internal())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Returns the session id in a JWT that one of the project's keys signed. The JWT may have expired:
/// its session counts.
pub(crate) fn verify(
    jwt: &str,
    project_id: &str,
    key: impl FnOnce(&str) -> Option<Key>,
) -> Result<String, ApiError> {
    let key = jsonwebtoken::decode_header(jwt)
        .ok()
        .and_then(|header| key(&header.kid?)?.decoding_key())
        .ok_or_else(invalid_jwt)?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_audience(&[project_id]);
    validation.set_issuer(&[issuer(project_id)]);
    let claims = jsonwebtoken::decode::<HashMap<String, Value>>(jwt, &key, &validation)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidAudience => {
                ApiError::unauthorized("jwt_invalid_audience", "The JWT has an invalid audience.")
            }
            ErrorKind::InvalidIssuer => {
                ApiError::unauthorized("jwt_invalid_issuer", "The JWT has an invalid issuer.")
            }
            _ => invalid_jwt(),
        })?
        .claims;
    let id = claims.get(SESSION_CLAIM).and_then(|session| session["id"].as_str());
    id.map(str::to_owned).ok_or_else(invalid_jwt)
}

fn invalid_jwt() -> ApiError {
    ApiError::bad_request("unable_to_parse_session_jwt", "The session JWT could not be parsed.")
}

fn certificate(pkcs8: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
    let pair = rcgen::KeyPair::try_from(pkcs8)?;
    let params = CertificateParams::new(vec!["stytch.com".to_owned()])?;
    Ok(params.self_signed(&pair)?.der().to_vec())
}

/// Returns a JWK with all nine members: the Python and Rust SDKs reject a set that lacks one.
fn jwk(kid: &str, pair: &KeyPair, certificate: &[u8]) -> Value {
    let public = pair.public_key();
    let thumbprint = digest::digest(&digest::SHA256, certificate);
    json!({
        "kty": "RSA",
        "use": "sig",
        "key_ops": ["verify"],
        "alg": "RS256",
        "kid": kid,
        "x5c": [STANDARD.encode(certificate)],
        "x5tS256": URL_SAFE_NO_PAD.encode(thumbprint),
        "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
        "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
    })
}
