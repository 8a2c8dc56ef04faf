//! The people that a caller may act on.

use crate::Role;

/// The people whom a caller may act on, by their role, and the roles that the caller may give. A
/// caller who could change an administrator in any way could act as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ManageableRoles {
    /// People whose role is `member`.
    #[default]
    MemberOnly,
    /// Everybody.
    All,
}

impl ManageableRoles {
    /// Whether the caller may act on a person of that role, and give it.
    pub fn includes(self, role: Role) -> bool {
        self == Self::All || role == Role::Member
    }
}
