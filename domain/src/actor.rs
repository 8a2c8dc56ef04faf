//! Who did it: on every invitation and every event.

use crate::{ApiKeyId, User, UserId};

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person with a session.
    User {
        /// Theirs.
        id: UserId,
        /// Their name, else their address, as it was then.
        name: String,
    },
    /// A program with an API key.
    Key {
        /// The key's.
        id: ApiKeyId,
        /// The key's name, as it was then.
        name: String,
    },
    /// Somebody at a shell on the machine.
    Cli,
    /// Guestlist itself.
    System,
}

impl Actor {
    /// A person, by their name, else their address.
    pub fn of(user: &User) -> Self {
        let name = user.name.as_ref().map_or(user.email.as_str(), |name| name.as_str());
        Self::User { id: user.id, name: name.to_owned() }
    }

    /// The word in the API and the database.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Key { .. } => "key",
            Self::Cli => "cli",
            Self::System => "system",
        }
    }

    /// The id of the user or key.
    pub fn id(&self) -> Option<uuid::Uuid> {
        match self {
            Self::User { id, .. } => Some(id.0),
            Self::Key { id, .. } => Some(id.0),
            Self::Cli | Self::System => None,
        }
    }

    /// What to call them.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::User { name, .. } | Self::Key { name, .. } => Some(name),
            Self::Cli | Self::System => None,
        }
    }
}
