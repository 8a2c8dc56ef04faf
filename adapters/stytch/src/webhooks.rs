//! Stytch's webhooks, which Svix signs and delivers: at least once, in any order.
//!
//! <https://docs.svix.com/receiving/verifying-payloads/how-manual>

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use guestlist_domain::{IdentityEvent, Profile};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::{answers::id, client::object, profiles::Described};

/// How far the time of signing may lie from ours, in either direction.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// Svix's are of some thirty characters.
const LONGEST_ID: usize = 128;

/// The secret of a webhook endpoint: `whsec_` and Base64.
#[derive(Clone)]
pub struct WebhookSecret {
    key: hmac::Key,
    text: SecretString,
}

/// Reads the webhooks of one project.
#[derive(Debug)]
pub struct Webhooks {
    secret: WebhookSecret,
    project_id: String,
}

/// The headers `svix-id`, `svix-timestamp` and `svix-signature`.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// The message's, the same whenever it is sent again.
    pub id: &'a str,
    /// When it was signed, in seconds since 1970.
    pub timestamp: &'a str,
    /// One or several, each after its version: `v1,…`, separated by spaces.
    pub signatures: &'a str,
}

/// Not a secret of a webhook endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be whsec_ and Base64, as Stytch's dashboard shows it")]
pub struct WebhookSecretError;

/// Why a webhook is not heard.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WebhookError {
    /// No signature of it was made with the secret.
    #[error("the webhook is not signed with the endpoint's secret")]
    Signature,
    /// It was signed too long ago, or is of the future: somebody may be sending it again.
    #[error("the webhook was not signed in the last five minutes")]
    Stale,
    /// It is signed, and not to be understood.
    #[error("the webhook can't be read: {0}")]
    Malformed(String),
    /// It is signed, and of another project.
    #[error("the webhook is of another project")]
    OtherProject,
}

impl WebhookSecret {
    /// Reads it as Stytch's dashboard shows it.
    pub fn parse(text: &str) -> Result<Self, WebhookSecretError> {
        let encoded = text.strip_prefix("whsec_").ok_or(WebhookSecretError)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| WebhookSecretError)?;
        if bytes.is_empty() {
            return Err(WebhookSecretError);
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), text: text.into() })
    }

    /// As it was given, for whoever is to sign with it.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Whether one of the signatures is by it; each is compared in constant time.
    fn signed(&self, signature: Signature<'_>, body: &[u8]) -> bool {
        let Signature { id, timestamp, signatures } = signature;
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        let versioned = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
        let mut tags = versioned.filter_map(|tag| STANDARD.decode(tag).ok());
        tags.any(|tag| hmac::verify(&self.key, &signed, &tag).is_ok())
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

impl Webhooks {
    /// Of the project, signed with the secret of the endpoint that Stytch calls.
    pub fn new(secret: WebhookSecret, project_id: impl Into<String>) -> Self {
        Self { secret, project_id: project_id.into() }
    }

    /// What a webhook tells of somebody; nothing where it tells of something else.
    pub fn read(
        &self,
        signature: Signature<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<IdentityEvent>, WebhookError> {
        if !self.secret.signed(signature, body) {
            return Err(WebhookError::Signature);
        }
        let signed_at =
            signature.timestamp.parse().ok().and_then(|s| Timestamp::from_second(s).ok());
        if signed_at.is_none_or(|at| at.duration_since(now).abs() > TOLERANCE) {
            return Err(WebhookError::Stale);
        }
        if signature.id.is_empty() || signature.id.len() > LONGEST_ID {
            return Err(WebhookError::Malformed("svix-id is of a strange length".to_owned()));
        }
        self.news(signature.id, body)
    }

    pub(crate) fn news(
        &self,
        message_id: &str,
        body: &[u8],
    ) -> Result<Option<IdentityEvent>, WebhookError> {
        let event: Event = object(body).map_err(|error| unread(&error))?;
        if event.project_id != self.project_id {
            return Err(WebhookError::OtherProject);
        }
        if event.object_type != "user" {
            return Ok(None);
        }
        let profile = match event.action.as_str() {
            "CREATE" | "UPDATE" => Some(described(event.user, &event.id)?),
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

fn described(user: Value, id: &str) -> Result<Profile, WebhookError> {
    let described = serde_json::from_value::<Described>(user);
    let profile = Profile::from(described.map_err(|error| unread(&error))?);
    if profile.provider_user_id != id {
        return Err(WebhookError::Malformed("it is about two users at once".to_owned()));
    }
    Ok(profile)
}

/// Not the error's own words, which quote the body.
fn unread(error: &serde_json::Error) -> WebhookError {
    let (kind, line, column) = (error.classify(), error.line(), error.column());
    WebhookError::Malformed(format!("{kind:?} error at {line}:{column}"))
}
