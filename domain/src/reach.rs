//! The people that a caller may act on.

use crate::Role;

/// The people whom a caller may act on, by their role, and the roles that the caller may give. A
/// caller who could change an administrator in any way could act as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// People whose role is `member`.
    #[default]
    Members,
    /// Everybody.
    Everybody,
}

impl Reach {
    /// Whether the caller may act on a person of that role, and give it.
    pub fn covers(self, role: Role) -> bool {
        self == Self::Everybody || role == Role::Member
    }
}
