//! The author of an invitation or an event.

use crate::{ApiKeyId, User, UserId};

/// Who performed an action. Names are copied at the time of the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A user with a session.
    User {
        id: UserId,
        /// The user's name, or the address of a user without one.
        name: String,
    },
    /// A program with an API key.
    Key { id: ApiKeyId, name: String },
    /// The operator at the command line.
    Cli,
    /// Guestlist itself.
    System,
}

impl Actor {
    pub fn of(user: &User) -> Self {
        Self::User { id: user.id, name: user.display_name().to_owned() }
    }

    /// Returns the text used by the API and in the database.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Key { .. } => "key",
            Self::Cli => "cli",
            Self::System => "system",
        }
    }

    pub fn id(&self) -> Option<uuid::Uuid> {
        match self {
            Self::User { id, .. } => Some(id.0),
            Self::Key { id, .. } => Some(id.0),
            Self::Cli | Self::System => None,
        }
    }

    pub fn name(&self) -> Option<&str> {
        match self {
            Self::User { name, .. } | Self::Key { name, .. } => Some(name),
            Self::Cli | Self::System => None,
        }
    }
}
