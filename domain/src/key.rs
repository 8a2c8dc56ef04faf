//! API keys: what a program calls with, and what it may do by it.

use jiff::Timestamp;

use crate::{ApiKeyId, TokenHash};

/// A key; its secret is shown once and kept as a hash.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    /// Ours.
    pub id: ApiKeyId,
    /// For people.
    pub name: String,
    /// What the secret is known by.
    pub hash: TokenHash,
    /// The secret's first characters, to tell keys apart by.
    pub prefix: String,
    /// What it may do; empty: everything.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The last call with it, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// Raised by each write.
    pub version: i64,
}

impl ApiKey {
    /// Whether it may do what `scope` names.
    pub fn allows(&self, scope: Scope) -> bool {
        self.is_unrestricted() || self.scopes.contains(&scope)
    }

    /// Whether it may do everything.
    pub fn is_unrestricted(&self) -> bool {
        self.scopes.is_empty()
    }
}

/// A part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// See users.
    UsersRead,
    /// Add, change and remove users.
    UsersWrite,
    /// See invitations.
    InvitationsRead,
    /// Make, resend and revoke invitations.
    InvitationsWrite,
    /// Watch the queue.
    OpsRead,
    /// Steer the queue.
    OpsWrite,
}

crate::user::words!(Scope {
    UsersRead = "users:read",
    UsersWrite = "users:write",
    InvitationsRead = "invitations:read",
    InvitationsWrite = "invitations:write",
    OpsRead = "ops:read",
    OpsWrite = "ops:write",
});
