//! API keys and their scopes.

use jiff::Timestamp;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{ApiKeyId, TokenHash};

/// An API key. Its secret is shown once and stored as a hash.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    pub hash: TokenHash,
    /// The first characters of the secret, by which people tell keys apart.
    pub prefix: String,
    /// The scopes the key is limited to; empty for an unrestricted key.
    pub scopes: Vec<Scope>,
    pub created_at: Timestamp,
    /// Time of the last request with the key, to the minute.
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Incremented by each write.
    pub version: i64,
}

impl ApiKey {
    pub fn allows(&self, scope: Scope) -> bool {
        self.is_unrestricted() || self.scopes.contains(&scope)
    }

    /// Returns whether the key grants all scopes.
    pub fn is_unrestricted(&self) -> bool {
        self.scopes.is_empty()
    }
}

/// A part of the API that a key can be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
pub enum Scope {
    #[strum(serialize = "users:read")]
    UsersRead,
    #[strum(serialize = "users:write")]
    UsersWrite,
    #[strum(serialize = "invitations:read")]
    InvitationsRead,
    #[strum(serialize = "invitations:write")]
    InvitationsWrite,
    #[strum(serialize = "ops:read")]
    OpsRead,
    #[strum(serialize = "ops:write")]
    OpsWrite,
}
