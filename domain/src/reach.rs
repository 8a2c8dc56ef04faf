//! How far a caller's hand reaches among people.

use crate::Role;

/// Whom a caller may act on, and what they may make of anybody: who could lift or lower those who
/// administer would administer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// Those whose role is `member`.
    #[default]
    Members,
    /// Everybody.
    Everybody,
}

impl Reach {
    /// Whether somebody of that role is within it.
    pub fn covers(self, role: Role) -> bool {
        self == Self::Everybody || role == Role::Member
    }
}
