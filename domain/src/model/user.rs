//! Users: identity, role and status.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strum::{EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::{Email, Name, UserId};

/// A person with an account, or with an invitation to one.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: UserId,
    /// Unique among users.
    pub email: Email,
    pub name: Option<Name>,
    pub role: Role,
    pub status: UserStatus,
    pub metadata: Metadata,
    /// The id of the user's identity at the provider, once it is known.
    pub provider_user_id: Option<String>,
    pub created_at: Timestamp,
    /// Time of the last request in any of the user's sessions, to the minute.
    pub last_seen_at: Option<Timestamp>,
    /// Incremented by each write; a change that expects an older version conflicts.
    pub version: i64,
}

/// A user's permissions within Guestlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Admin,
    /// Permission to inspect and control the job queue.
    Operator,
    /// Permission to manage one's own profile and sessions.
    #[default]
    Member,
}

/// The state of an account; it decides whether the user can log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// The user can log in only through an open invitation.
    Invited,
    Active,
    /// The user cannot log in until an administrator reactivates the account.
    Suspended,
    /// The user is being removed, here and at the provider, and cannot log in.
    Deleting,
}

impl User {
    /// Creates a member without name, metadata or identity.
    pub fn new(id: UserId, email: Email, status: UserStatus, now: Timestamp) -> Self {
        Self {
            id,
            email,
            name: None,
            role: Role::Member,
            status,
            metadata: Metadata::default(),
            provider_user_id: None,
            created_at: now,
            last_seen_at: None,
            version: 1,
        }
    }

    /// Returns the name, or the address if there is none.
    pub fn display_name(&self) -> &str {
        self.name.as_ref().map_or(self.email.as_str(), Name::as_str)
    }

    /// Returns whether the user is an administrator who can log in.
    pub fn is_active_admin(&self) -> bool {
        self.role == Role::Admin && self.status == UserStatus::Active
    }
}

impl Role {
    #[must_use]
    pub fn higher(self, other: Self) -> Self {
        if self.is_below(other) { other } else { self }
    }

    pub fn is_below(self, other: Self) -> bool {
        let rank = |role| match role {
            Self::Member => 0,
            Self::Operator => 1,
            Self::Admin => 2,
        };
        rank(self) < rank(other)
    }
}

/// A JSON object that the application stores with a user: at most 8 KiB when serialized.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Metadata(Map<String, Value>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is larger than 8 KiB")]
pub struct MetadataTooLarge;

impl Metadata {
    const MAX_BYTES: usize = 8 * 1024;

    /// Checks the size of an object.
    pub fn new(map: Map<String, Value>) -> Result<Self, MetadataTooLarge> {
        let metadata = Self(map);
        if metadata.to_json().len() > Self::MAX_BYTES {
            Err(MetadataTooLarge)
        } else {
            Ok(metadata)
        }
    }

    /// Restores an object from the database. Returns `None` if the text is not a JSON object of the
    /// permitted size.
    pub fn from_json(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_BYTES { None } else { serde_json::from_str(text).ok().map(Self) }
    }

    /// Serializes the object for the database.
    pub fn to_json(&self) -> String {
        // Maps of JSON values can always be serialized.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
