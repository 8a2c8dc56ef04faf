//! Users: their stored form, their representation in the API, and their table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::ops::Bound;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::state::{clock, ids};

/// The role that every user has.
pub(crate) const DEFAULT_ROLE: &str = "stytch_user";

/// The time within which a further address of a user must be authenticated, or else is removed.
const PROVISIONAL_TIME: SignedDuration = SignedDuration::from_mins(5);

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

/// An update of a name; parts that are absent or `null` stay unchanged.
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
    /// The end of the time in which a further address must be authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provisional_until: Option<Timestamp>,
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

    /// Records the use of a magic link: activates the user and verifies the address.
    pub(crate) fn mark_authenticated(&mut self, email_id: &str) {
        self.status = Status::Active;
        if let Some(email) = self.emails.iter_mut().find(|email| email.email_id == email_id) {
            email.verified = true;
            email.provisional_until = None;
        }
    }

    pub(crate) fn full_name(&self) -> String {
        let Name { first_name, middle_name, last_name } = &self.name;
        let parts = [first_name, middle_name, last_name].map(String::as_str);
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Returns the API's `User` object, with every member that strict SDKs require.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "user_id": self.user_id,
            "name": self.name,
            "emails": self.emails_json(),
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

    pub(crate) fn emails_json(&self) -> Value {
        let to_json = |email: &Email| json!({"email_id": email.email_id, "email": email.email, "verified": email.verified});
        self.emails.iter().map(to_json).collect()
    }
}

impl Email {
    pub(crate) fn new(address: String) -> Self {
        Self {
            email_id: ids::id("email"),
            email: address,
            verified: false,
            provisional_until: None,
        }
    }

    /// Creates a further address, which is removed unless it is authenticated in time.
    pub(crate) fn provisional(address: String, now: Timestamp) -> Self {
        Self { provisional_until: Some(now + PROVISIONAL_TIME), ..Self::new(address) }
    }

    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.provisional_until.is_some_and(|until| until <= now)
    }
}

impl Name {
    pub(crate) fn update(&mut self, parts: NameParts) {
        let NameParts { first_name, middle_name, last_name } = parts;
        self.first_name = first_name.unwrap_or(mem::take(&mut self.first_name));
        self.middle_name = middle_name.unwrap_or(mem::take(&mut self.middle_name));
        self.last_name = last_name.unwrap_or(mem::take(&mut self.last_name));
    }
}

/// Users by id, external id and address, in the order they were created.
#[derive(Default)]
pub(crate) struct Users {
    rows: BTreeMap<u64, User>,
    /// By `user_id` and by `external_id`, which Stytch accepts interchangeably.
    by_id: HashMap<String, u64>,
    by_address: HashMap<String, u64>,
    /// Addresses to be removed unless they are authenticated, by the time of removal.
    provisional: BTreeSet<(Timestamp, u64)>,
    last: u64,
}

impl Users {
    pub(crate) fn put(&mut self, user: User) {
        let existing = self.by_id.get(&user.user_id).copied();
        let position = existing.unwrap_or(self.last + 1);
        self.last = self.last.max(position);
        if let Some(old) = self.rows.remove(&position) {
            self.unindex(&old, position);
        }
        self.by_id.insert(user.user_id.clone(), position);
        if let Some(external_id) = &user.external_id {
            self.by_id.insert(external_id.clone(), position);
        }
        for email in &user.emails {
            self.by_address.insert(email.email.clone(), position);
            self.provisional.extend(email.provisional_until.map(|until| (until, position)));
        }
        self.rows.insert(position, user);
    }

    pub(crate) fn remove(&mut self, user_id: &str) -> Option<User> {
        let position = *self.by_id.get(user_id)?;
        let user = self.rows.remove(&position)?;
        self.unindex(&user, position);
        Some(user)
    }

    /// Returns the user of a `user_id` or `external_id`.
    pub(crate) fn get(&self, id: &str) -> Option<&User> {
        self.rows.get(self.by_id.get(id)?)
    }

    pub(crate) fn by_address(&self, address: &str) -> Option<&User> {
        self.rows.get(self.by_address.get(address)?)
    }

    pub(crate) fn by_email_id(&self, email_id: &str) -> Option<&User> {
        self.iter().find(|user| user.emails.iter().any(|email| email.email_id == email_id))
    }

    /// Returns a user's position in the order, which cursors hold.
    pub(crate) fn position(&self, user_id: &str) -> Option<u64> {
        self.by_id.get(user_id).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &User> {
        self.rows.values()
    }

    /// Returns the users after a position.
    pub(crate) fn after(&self, position: u64) -> impl Iterator<Item = &User> {
        self.rows.range((Bound::Excluded(position), Bound::Unbounded)).map(|(_, user)| user)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns a user with an address that was not authenticated in time.
    pub(crate) fn with_expired_email(&self, now: Timestamp) -> Option<&User> {
        let (until, position) = self.provisional.first()?;
        self.rows.get(position).filter(|_| *until <= now)
    }

    fn unindex(&mut self, user: &User, position: u64) {
        self.by_id.remove(&user.user_id);
        if let Some(external_id) = &user.external_id {
            self.by_id.remove(external_id);
        }
        for email in &user.emails {
            self.by_address.remove(&email.email);
            if let Some(until) = email.provisional_until {
                self.provisional.remove(&(until, position));
            }
        }
    }
}
