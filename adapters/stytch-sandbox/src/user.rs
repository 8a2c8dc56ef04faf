//! A user: how the sandbox keeps one, and how Stytch's API shows one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{clock, ids};

/// The role that every consumer user has.
pub(crate) const DEFAULT_ROLE: &str = "stytch_user";

/// An address attached to an existing user is dropped unless authenticated within this time.
const KEEP_UNVERIFIED: SignedDuration = SignedDuration::from_mins(5);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) user_id: String,
    pub(crate) name: Name,
    pub(crate) emails: Vec<Email>,
    pub(crate) status: Status,
    pub(crate) roles: Vec<String>,
    pub(crate) trusted_metadata: Map<String, Value>,
    pub(crate) untrusted_metadata: Map<String, Value>,
    pub(crate) external_id: Option<String>,
    pub(crate) created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Pending,
    Active,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) first_name: String,
    pub(crate) middle_name: String,
    pub(crate) last_name: String,
}

/// A name as requests give it: any part may be absent or `null`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct NameParts {
    first_name: Option<String>,
    middle_name: Option<String>,
    last_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Email {
    pub(crate) email_id: String,
    pub(crate) email: String,
    pub(crate) verified: bool,
    /// Set while the address is attached on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) keep_until: Option<Timestamp>,
}

impl User {
    pub(crate) fn new(address: String, status: Status, now: Timestamp) -> Self {
        Self {
            user_id: ids::id("user"),
            name: Name::default(),
            emails: vec![Email::new(address)],
            status,
            roles: vec![DEFAULT_ROLE.to_owned()],
            trusted_metadata: Map::new(),
            untrusted_metadata: Map::new(),
            external_id: None,
            created_at: clock::whole_seconds(now),
        }
    }

    pub(crate) fn email(&self, address: &str) -> Option<&Email> {
        self.emails.iter().find(|email| email.email == address)
    }

    /// The first magic link that works makes a pending user active and the address verified.
    pub(crate) fn authenticated_by(&mut self, email_id: &str) {
        self.status = Status::Active;
        if let Some(email) = self.emails.iter_mut().find(|email| email.email_id == email_id) {
            email.verified = true;
            email.keep_until = None;
        }
    }

    pub(crate) fn full_name(&self) -> String {
        let Name { first_name, middle_name, last_name } = &self.name;
        [first_name, middle_name, last_name]
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The `User` object of the API. Strict SDKs require every member.
    pub(crate) fn view(&self) -> Value {
        json!({
            "user_id": self.user_id,
            "name": self.name,
            "emails": self.emails_view(),
            "status": self.status,
            "roles": self.roles,
            "trusted_metadata": self.trusted_metadata,
            "untrusted_metadata": self.untrusted_metadata,
            "external_id": self.external_id,
            "created_at": self.created_at,
            "phone_numbers": [],
            "providers": [],
            "webauthn_registrations": [],
            "biometric_registrations": [],
            "totps": [],
            "crypto_wallets": [],
            "password": null,
            "is_locked": false,
            "lock_created_at": null,
            "lock_expires_at": null,
        })
    }

    pub(crate) fn emails_view(&self) -> Value {
        let view = |email: &Email| json!({"email_id": email.email_id, "email": email.email, "verified": email.verified});
        self.emails.iter().map(view).collect()
    }
}

impl Email {
    pub(crate) fn new(address: String) -> Self {
        Self { email_id: ids::id("email"), email: address, verified: false, keep_until: None }
    }

    /// A further address, on trial.
    pub(crate) fn on_trial(address: String, now: Timestamp) -> Self {
        Self { keep_until: Some(now + KEEP_UNVERIFIED), ..Self::new(address) }
    }

    pub(crate) fn has_lapsed(&self, now: Timestamp) -> bool {
        self.keep_until.is_some_and(|until| until <= now)
    }
}

impl Name {
    /// Takes over the parts that were given.
    pub(crate) fn update(&mut self, parts: NameParts) {
        let set = |part: &mut String, given: Option<String>| {
            if let Some(given) = given {
                *part = given;
            }
        };
        set(&mut self.first_name, parts.first_name);
        set(&mut self.middle_name, parts.middle_name);
        set(&mut self.last_name, parts.last_name);
    }
}
