//! Verification of session JWTs: signature, issuer and audience. Expired JWTs are accepted; callers
//! decide how long one is valid.

pub(crate) mod keys;

use std::sync::Arc;

use guestlist_domain::{Clock, JwtClaims, JwtError};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use url::Url;

use crate::http::fields::{id, lenient};
use keys::Keys;

/// The tolerated lead of Stytch's clock over the local one.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// Verifies the JWTs of one project.
pub(crate) struct Verifier {
    keys: Keys,
    validation: Validation,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    pub(crate) fn new(project_id: &str, base_url: &Url, keys: Keys, clock: Arc<dyn Clock>) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_required_spec_claims(&["aud", "iss", "exp", "nbf"]);
        validation.set_audience(&[project_id]);
        // A project with a custom domain has that as its issuer.
        let base_url = base_url.as_str().trim_end_matches('/');
        validation.set_issuer(&[format!("stytch.com/{project_id}").as_str(), base_url]);
        // `Claims::verify` checks times, with the injected clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { keys, validation, clock }
    }

    pub(crate) async fn verify(&self, jwt: &str) -> Result<JwtClaims, JwtError> {
        let kid = key_id(jwt).ok_or(JwtError::Invalid)?;
        let key = self.keys.find(&kid).await?;
        let token = decode::<Claims>(jwt, &key, &self.validation).map_err(|_| JwtError::Invalid)?;
        token.claims.verify(self.clock.now()).ok_or(JwtError::Invalid)
    }
}

/// Returns the id of the key in the header, if that is the header of a session JWT.
pub(crate) fn key_id(jwt: &str) -> Option<String> {
    let header = decode_header(jwt).ok()?;
    let is_session_jwt = header.alg == Algorithm::RS256
        && header.typ.as_deref() == Some("JWT")
        // No critical extension is supported (RFC 7515, section 4.1.11).
        && header.crit.is_none();
    header.kid.filter(|_| is_session_jwt)
}

#[derive(Deserialize)]
pub(crate) struct Claims {
    exp: i64,
    nbf: i64,
    #[serde(rename = "https://stytch.com/session")]
    session: SessionClaim,
}

#[derive(Deserialize)]
struct SessionClaim {
    #[serde(deserialize_with = "id")]
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    expires_at: Option<Timestamp>,
}

impl Claims {
    /// Returns the claims, unless the JWT is not valid yet or has a time out of range.
    pub(crate) fn verify(self, now: Timestamp) -> Option<JwtClaims> {
        let expires_at = Timestamp::from_second(self.exp).ok()?;
        let not_before = Timestamp::from_second(self.nbf).ok()?;
        if not_before.duration_since(now) > LEEWAY {
            return None;
        }
        Some(JwtClaims {
            provider_session_id: self.session.id,
            session_expires_at: self.session.expires_at.unwrap_or(expires_at),
            expires_at,
        })
    }
}
