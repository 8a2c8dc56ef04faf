//! Lists in pieces, each of which costs what the first does: newest first, and searches in the
//! order of what they search, for only so can a piece of one begin where another ended.

use crate::name::search_key;
use crate::{Invitation, InvitationId, InvitationStatus, Role, User, UserId, UserStatus};

/// A piece of a list: what comes after `after`, at most `limit` rows.
#[derive(Debug, Clone, Copy)]
pub struct Page<After> {
    /// Where the piece before ended.
    pub after: Option<After>,
    /// How many, at most.
    pub limit: u64,
}

/// Where in a list a piece of it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor<Id> {
    /// The last row's id.
    pub id: Id,
    /// What the search found it by; none in a list of everything.
    pub sort_key: Option<SortKey>,
}

impl<Id> From<Id> for Cursor<Id> {
    fn from(id: Id) -> Self {
        Self { id, sort_key: None }
    }
}

/// What a search found somebody by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    /// The address.
    Email(String),
    /// The name, as it is compared: by address all were found.
    Name(String),
}

/// What is searched for: what an address or name begins with, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPrefix(String);

impl SearchPrefix {
    /// As it is compared; none when nothing is searched for.
    pub fn of(q: &str) -> Option<Self> {
        let q = search_key(q.trim());
        (!q.is_empty()).then_some(Self(q))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an address, or a name as it is compared, begins so.
    pub fn matches(&self, key: &str) -> bool {
        key.starts_with(&self.0)
    }
}

/// Which users.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// The address or name begins with this.
    pub q: Option<SearchPrefix>,
    /// With this role.
    pub role: Option<Role>,
    /// With this status.
    pub status: Option<UserStatus>,
}

impl UserFilter {
    /// Where in its list somebody is.
    pub fn cursor(&self, user: &User) -> Cursor<UserId> {
        let sort_key = self.q.as_ref().map(|q| match &user.name {
            Some(name) if !q.matches(user.email.as_str()) => SortKey::Name(name.key()),
            _ => SortKey::Email(user.email.as_str().to_owned()),
        });
        Cursor { id: user.id, sort_key }
    }
}

/// Which invitations.
#[derive(Debug, Clone, Default)]
pub struct InvitationFilter {
    /// The address begins with this.
    pub q: Option<SearchPrefix>,
    /// With this status.
    pub status: Option<InvitationStatus>,
}

impl InvitationFilter {
    /// Where in its list an invitation is.
    pub fn cursor(&self, invitation: &Invitation) -> Cursor<InvitationId> {
        let email = || SortKey::Email(invitation.email.as_str().to_owned());
        Cursor { id: invitation.id, sort_key: self.q.as_ref().map(|_| email()) }
    }
}
