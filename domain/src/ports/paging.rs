//! Filters and keyset pagination of lists.
//!
//! Lists are ordered newest first; searches are ordered by the column that they search, so that each
//! page starts at an index position and costs the same.

use crate::model::search_key;
use crate::{Invitation, InvitationId, InvitationStatus, Role, User, UserId, UserStatus};

/// A request for one page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page<After> {
    /// The end of the previous page.
    pub after: Option<After>,
    pub limit: u64,
}

/// The position of a row in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor<Id> {
    pub id: Id,
    /// The value by which a search sorts; `None` in a list without search.
    pub sort_key: Option<SortKey>,
}

impl<Id> From<Id> for Cursor<Id> {
    fn from(id: Id) -> Self {
        Self { id, sort_key: None }
    }
}

/// The value that matched a search. Matches by address precede matches by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    Email(String),
    /// The name's search form.
    Name(String),
}

/// The beginning of an address or name, compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPrefix(String);

impl SearchPrefix {
    /// Normalizes a search text. Returns `None` for white space only.
    pub fn of(q: &str) -> Option<Self> {
        let q = search_key(q.trim());
        (!q.is_empty()).then_some(Self(q))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether an address, or the search form of a name, starts with the prefix.
    pub fn matches(&self, key: &str) -> bool {
        key.starts_with(&self.0)
    }
}

#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// The beginning of the address or name.
    pub q: Option<SearchPrefix>,
    pub role: Option<Role>,
    pub status: Option<UserStatus>,
}

impl UserFilter {
    /// Returns the position of a user in the filtered list.
    pub fn cursor(&self, user: &User) -> Cursor<UserId> {
        let sort_key = self.q.as_ref().map(|q| match &user.name {
            Some(name) if !q.matches(user.email.as_str()) => SortKey::Name(name.key()),
            _ => SortKey::Email(user.email.as_str().to_owned()),
        });
        Cursor { id: user.id, sort_key }
    }
}

#[derive(Debug, Clone, Default)]
pub struct InvitationFilter {
    /// The beginning of the address.
    pub q: Option<SearchPrefix>,
    pub status: Option<InvitationStatus>,
}

impl InvitationFilter {
    /// Returns the position of an invitation in the filtered list.
    pub fn cursor(&self, invitation: &Invitation) -> Cursor<InvitationId> {
        let email = || SortKey::Email(invitation.email.as_str().to_owned());
        Cursor { id: invitation.id, sort_key: self.q.as_ref().map(|_| email()) }
    }
}
