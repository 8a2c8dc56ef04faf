//! People: who they are here, what they may do, whether they may come in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{Email, Name, UserId};

/// A person with an address here.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Ours, for ever.
    pub id: UserId,
    /// Where mail goes; unique among users.
    pub email: Email,
    /// What people call them.
    pub name: Option<Name>,
    /// What they may do in Guestlist itself.
    pub role: Role,
    /// Whether they may come in.
    pub status: UserStatus,
    /// The application's own facts about them.
    pub metadata: Metadata,
    /// The identity at Stytch, once it is known.
    pub provider_user_id: Option<String>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// The last request with a session of theirs, to the minute.
    pub last_seen_at: Option<Timestamp>,
    /// Raised by each write; a change that expects an older one conflicts.
    pub version: i64,
}

/// What a person may do in Guestlist itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Watch and steer the queue.
    Operator,
    /// Their own profile and sessions.
    #[default]
    Member,
}

/// Whether a person may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// Only by an open invitation.
    Invited,
    /// Yes.
    Active,
    /// No, until an administrator says so.
    Suspended,
    /// No: on the way out, here and at Stytch.
    Deleting,
}

impl User {
    /// A person who has just come to be known.
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

    /// Whether this is an administrator who can act as one.
    pub fn is_active_admin(&self) -> bool {
        self.role == Role::Admin && self.status == UserStatus::Active
    }
}

impl Role {
    /// The one of two roles that allows more.
    #[must_use]
    pub fn higher(self, other: Self) -> Self {
        if self.is_below(other) { other } else { self }
    }

    /// Whether it allows less than another.
    pub fn is_below(self, other: Self) -> bool {
        let rank = |role| match role {
            Self::Member => 0,
            Self::Operator => 1,
            Self::Admin => 2,
        };
        rank(self) < rank(other)
    }
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the API and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word back.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words!(Role { Admin = "admin", Operator = "operator", Member = "member" });
words!(UserStatus {
    Invited = "invited",
    Active = "active",
    Suspended = "suspended",
    Deleting = "deleting",
});

/// A small JSON object that the application keeps with a person: at most 8 KiB as text.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Metadata(Map<String, Value>);

/// The metadata is over 8 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is larger than 8 KiB")]
pub struct MetadataTooLarge;

impl Metadata {
    const MAX_BYTES: usize = 8 * 1024;

    /// Checks the size.
    pub fn new(map: Map<String, Value>) -> Result<Self, MetadataTooLarge> {
        let metadata = Self(map);
        if metadata.to_json().len() > Self::MAX_BYTES {
            Err(MetadataTooLarge)
        } else {
            Ok(metadata)
        }
    }

    /// As JSON text, for the database.
    pub fn to_json(&self) -> String {
        serde_json::Value::Object(self.0.clone()).to_string()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object itself.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}
