//! A session: how the sandbox keeps one, how the API shows one, and what its JWT says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    clock, ids,
    refusal::Refusal,
    user::{DEFAULT_ROLE, Email},
};

/// A JWT lives five minutes, however long its session.
const JWT_SECONDS: i64 = 300;

/// The claim that describes the session inside its JWT.
pub(crate) const SESSION_CLAIM: &str = "https://stytch.com/session";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) session_id: String,
    pub(crate) token: String,
    pub(crate) user_id: String,
    pub(crate) started_at: Timestamp,
    pub(crate) last_accessed_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) attributes: Attributes,
    pub(crate) factors: Vec<Factor>,
    pub(crate) custom_claims: Map<String, Value>,
}

/// What the caller tells of the person's device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) ip_address: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) user_agent: String,
}

/// A proof of identity; the sandbox knows only magic links by email.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Factor {
    pub(crate) email_id: String,
    pub(crate) email_address: String,
    pub(crate) created_at: Timestamp,
    pub(crate) last_authenticated_at: Timestamp,
}

impl Session {
    pub(crate) fn start(user_id: String, minutes: i64, now: Timestamp) -> Self {
        let now = clock::whole_seconds(now);
        Self {
            session_id: ids::id("session"),
            token: ids::token(),
            user_id,
            started_at: now,
            last_accessed_at: now,
            expires_at: clock::minutes_after(now, minutes),
            attributes: Attributes::default(),
            factors: Vec::new(),
            custom_claims: Map::new(),
        }
    }

    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Without minutes the end stays where it is.
    pub(crate) fn touch(&mut self, minutes: Option<i64>, now: Timestamp) {
        self.last_accessed_at = clock::whole_seconds(now);
        if let Some(minutes) = minutes {
            self.expires_at = clock::minutes_after(self.last_accessed_at, minutes);
        }
    }

    pub(crate) fn prove(&mut self, email: &Email, now: Timestamp) {
        let now = clock::whole_seconds(now);
        match self.factors.iter_mut().find(|factor| factor.email_id == email.email_id) {
            Some(factor) => factor.last_authenticated_at = now,
            None => self.factors.push(Factor {
                email_id: email.email_id.clone(),
                email_address: email.email.clone(),
                created_at: now,
                last_authenticated_at: now,
            }),
        }
    }

    /// The `Session` object of the API. Strict SDKs require every member.
    pub(crate) fn view(&self) -> Value {
        json!({
            "session_id": self.session_id,
            "user_id": self.user_id,
            "started_at": self.started_at,
            "last_accessed_at": self.last_accessed_at,
            "expires_at": self.expires_at,
            "attributes": self.attributes,
            "authentication_factors": self.factors.iter().map(Factor::view).collect::<Value>(),
            "custom_claims": self.custom_claims,
            "roles": [DEFAULT_ROLE],
        })
    }

    /// The payload of the session's JWT; custom claims stand beside the session's own.
    pub(crate) fn jwt_claims(&self, project_id: &str, now: Timestamp) -> Value {
        let issued = now.as_second();
        let mut claims = Value::Object(self.custom_claims.clone());
        claims["iss"] = json!(issuer(project_id));
        claims["aud"] = json!([project_id]);
        claims["sub"] = json!(self.user_id);
        claims["iat"] = json!(issued);
        claims["nbf"] = json!(issued);
        claims["exp"] = json!(issued + JWT_SECONDS);
        claims[SESSION_CLAIM] = json!({
            "id": self.session_id,
            "started_at": clock::whole_seconds(self.started_at),
            "last_accessed_at": self.last_accessed_at,
            "expires_at": self.expires_at,
            "attributes": self.attributes,
            "authentication_factors": self.factors.iter().map(Factor::view).collect::<Value>(),
            "roles": [DEFAULT_ROLE],
        });
        claims
    }
}

impl Factor {
    fn view(&self) -> Value {
        json!({
            "type": "magic_link",
            "delivery_method": "email",
            "created_at": self.created_at,
            "updated_at": self.last_authenticated_at,
            "last_authenticated_at": self.last_authenticated_at,
            "email_factor": {"email_id": self.email_id, "email_address": self.email_address},
        })
    }
}

/// The only issuer that all of Stytch's SDKs accept.
pub(crate) fn issuer(project_id: &str) -> String {
    format!("stytch.com/{project_id}")
}

/// 5 minutes to 366 days.
pub(crate) fn duration(minutes: Option<i64>) -> Result<Option<i64>, Refusal> {
    match minutes {
        Some(minutes) if !(5..=527_040).contains(&minutes) => Err(Refusal::bad_request(
            "invalid_session_duration_minutes",
            "session_duration_minutes should be between 5 to 527040 minutes.",
        )),
        minutes => Ok(minutes),
    }
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
