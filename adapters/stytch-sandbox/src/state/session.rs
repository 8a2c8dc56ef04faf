//! Sessions: their stored form, their representation in the API, the claims of their JWTs, and their
//! table.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::response::ApiError;
use crate::state::{DEFAULT_ROLE, Email, clock, ids};

/// The lifetime of a JWT, independent of its session's.
const JWT_SECONDS: i64 = 300;

/// The claim that holds the session.
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

/// The user's device, as the caller describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    #[serde(default, deserialize_with = "null_as_empty")]
    pub(crate) ip_address: String,
    #[serde(default, deserialize_with = "null_as_empty")]
    pub(crate) user_agent: String,
}

/// An authentication factor; the sandbox supports magic links by email only.
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

    /// Checks a session's duration in minutes: 5 minutes to 366 days.
    pub(crate) fn check_duration(minutes: Option<i64>) -> Result<Option<i64>, ApiError> {
        match minutes {
            Some(minutes) if !(5..=527_040).contains(&minutes) => Err(ApiError::bad_request(
                "invalid_session_duration_minutes",
                "session_duration_minutes should be between 5 to 527040 minutes.",
            )),
            minutes => Ok(minutes),
        }
    }

    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Records an access. A duration in minutes extends or shortens the session.
    pub(crate) fn record_access(&mut self, minutes: Option<i64>, now: Timestamp) {
        self.last_accessed_at = clock::whole_seconds(now);
        if let Some(minutes) = minutes {
            self.expires_at = clock::minutes_after(self.last_accessed_at, minutes);
        }
    }

    /// Records that the user has authenticated with an address.
    pub(crate) fn add_factor(&mut self, email: &Email, now: Timestamp) {
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

    /// Returns the API's `Session` object, with every member that strict SDKs require.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "session_id": self.session_id,
            "user_id": self.user_id,
            "started_at": self.started_at,
            "last_accessed_at": self.last_accessed_at,
            "expires_at": self.expires_at,
            "attributes": self.attributes,
            "authentication_factors": self.factors.iter().map(Factor::to_json).collect::<Value>(),
            "custom_claims": self.custom_claims,
            "roles": [DEFAULT_ROLE],
        })
    }

    /// Returns the claims of a JWT; custom claims are at the top level.
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
            "authentication_factors": self.factors.iter().map(Factor::to_json).collect::<Value>(),
            "roles": [DEFAULT_ROLE],
        });
        claims
    }
}

impl Factor {
    fn to_json(&self) -> Value {
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

/// Returns the only issuer that all of Stytch's SDKs accept.
pub(crate) fn issuer(project_id: &str) -> String {
    format!("stytch.com/{project_id}")
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Sessions by id, token and user. Revoked ones are removed; expired ones may remain.
#[derive(Default)]
pub(crate) struct Sessions {
    rows: HashMap<String, Session>,
    by_token: HashMap<String, String>,
    by_user: HashMap<String, Vec<String>>,
}

impl Sessions {
    pub(crate) fn put(&mut self, session: Session) {
        let id = session.session_id.clone();
        if !self.rows.contains_key(&id) {
            self.by_token.insert(session.token.clone(), id.clone());
            self.by_user.entry(session.user_id.clone()).or_default().push(id.clone());
        }
        self.rows.insert(id, session);
    }

    pub(crate) fn remove(&mut self, session_id: &str) {
        let Some(session) = self.rows.remove(session_id) else { return };
        self.by_token.remove(&session.token);
        if let Some(ids) = self.by_user.get_mut(&session.user_id) {
            ids.retain(|id| id != session_id);
        }
    }

    pub(crate) fn remove_all_of(&mut self, user_id: &str) {
        for id in self.by_user.remove(user_id).unwrap_or_default() {
            self.remove(&id);
        }
    }

    pub(crate) fn get(&self, session_id: &str) -> Option<&Session> {
        self.rows.get(session_id)
    }

    pub(crate) fn by_token(&self, token: &str) -> Option<&Session> {
        self.rows.get(self.by_token.get(token)?)
    }

    /// Returns a user's sessions, oldest first.
    pub(crate) fn of_user(&self, user_id: &str) -> impl Iterator<Item = &Session> {
        self.by_user.get(user_id).into_iter().flatten().filter_map(|id| self.rows.get(id))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.rows.values()
    }
}
