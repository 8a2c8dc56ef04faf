//! Verification and parsing of Stytch's webhooks, which Svix signs and delivers at least once, in any
//! order. See <https://docs.svix.com/receiving/verifying-payloads/how-manual>.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use guestlist_domain::{IdentityEvent, Profile};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::http::fields::{MAX_ID_LENGTH, describe, id, parse_object};
use crate::http::user_responses::UserResponse;

/// The tolerated difference between the time of signing and the local time.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The secret of a webhook endpoint: `whsec_`, then Base64.
#[derive(Clone)]
pub struct WebhookSecret {
    key: hmac::Key,
    text: SecretString,
}

/// Verifies and parses the webhooks of one project.
#[derive(Debug)]
pub struct WebhookVerifier {
    secret: WebhookSecret,
    project_id: String,
}

/// The headers `svix-id`, `svix-timestamp` and `svix-signature`.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// The message id, the same in each delivery.
    pub id: &'a str,
    /// The time of signing, in seconds since 1970.
    pub timestamp: &'a str,
    /// Signatures separated by spaces, each with its version: `v1,…`.
    pub signatures: &'a str,
}

/// A text is not the secret of a webhook endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be whsec_ and then Base64, as Stytch's dashboard shows it")]
pub struct WebhookSecretError;

/// An error that makes a webhook unacceptable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WebhookError {
    /// No signature was made with the secret.
    #[error("the webhook is not signed with the endpoint's secret")]
    Signature,
    /// The time of signing is not within five minutes, so this may be a replay.
    #[error("the webhook was not signed in the last five minutes")]
    Stale,
    /// The message is signed, but can't be parsed.
    #[error("the webhook can't be parsed: {0}")]
    Malformed(String),
    /// The message is signed, but belongs to another project.
    #[error("the webhook belongs to another project")]
    OtherProject,
}

impl WebhookSecret {
    /// Parses a secret as Stytch's dashboard shows it.
    pub fn parse(text: &str) -> Result<Self, WebhookSecretError> {
        let encoded = text.strip_prefix("whsec_").ok_or(WebhookSecretError)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| WebhookSecretError)?;
        if bytes.is_empty() {
            return Err(WebhookSecretError);
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), text: text.into() })
    }

    /// Returns the secret's text.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Returns whether one of the signatures is valid. Each is compared in constant time.
    fn verify(&self, signature: Signature<'_>, body: &[u8]) -> bool {
        let Signature { id, timestamp, signatures } = signature;
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        let versioned = signatures.split(' ').filter_map(|tag| tag.strip_prefix("v1,"));
        let mut tags = versioned.filter_map(|tag| STANDARD.decode(tag).ok());
        tags.any(|tag| hmac::verify(&self.key, &signed, &tag).is_ok())
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

impl WebhookVerifier {
    /// Creates a verifier for a project's endpoint.
    pub fn new(secret: WebhookSecret, project_id: impl Into<String>) -> Self {
        Self { secret, project_id: project_id.into() }
    }

    /// Verifies a webhook and returns its event, or none if it is not about a user.
    pub fn verify(
        &self,
        signature: Signature<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<IdentityEvent>, WebhookError> {
        if !self.secret.verify(signature, body) {
            return Err(WebhookError::Signature);
        }
        let signed_at =
            signature.timestamp.parse().ok().and_then(|s| Timestamp::from_second(s).ok());
        if signed_at.is_none_or(|at| at.duration_since(now).abs() > TOLERANCE) {
            return Err(WebhookError::Stale);
        }
        if signature.id.is_empty() || signature.id.len() > MAX_ID_LENGTH {
            return Err(WebhookError::Malformed(
                "svix-id must have 1 to 128 characters".to_owned(),
            ));
        }
        self.parse(signature.id, body)
    }

    /// Parses a webhook without verifying its signature.
    pub(crate) fn parse(
        &self,
        message_id: &str,
        body: &[u8],
    ) -> Result<Option<IdentityEvent>, WebhookError> {
        let event: Event = parse_object(body).map_err(|error| malformed(&error))?;
        if event.project_id != self.project_id {
            return Err(WebhookError::OtherProject);
        }
        if event.object_type != "user" {
            return Ok(None);
        }
        let profile = match event.action.as_str() {
            "CREATE" | "UPDATE" => Some(profile(event.user, &event.id)?),
            "DELETE" => None,
            _ => return Ok(None),
        };
        let message_id = message_id.to_owned();
        Ok(Some(IdentityEvent { message_id, provider_user_id: event.id, profile }))
    }
}

#[derive(Deserialize)]
struct Event {
    action: String,
    object_type: String,
    #[serde(deserialize_with = "id")]
    id: String,
    project_id: String,
    #[serde(default)]
    user: Value,
}

fn profile(user: Value, id: &str) -> Result<Profile, WebhookError> {
    let user = serde_json::from_value::<UserResponse>(user);
    let profile = Profile::from(user.map_err(|error| malformed(&error))?);
    if profile.provider_user_id != id {
        return Err(WebhookError::Malformed("the event names two users".to_owned()));
    }
    Ok(profile)
}

fn malformed(error: &serde_json::Error) -> WebhookError {
    WebhookError::Malformed(describe(error))
}
