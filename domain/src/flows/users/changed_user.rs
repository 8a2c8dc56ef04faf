//! The result of changing or removing a user.

use thiserror::Error;

use crate::{Invitation, StoreError, User};

/// The error of changing or removing a user, or of ending all sessions of one.
#[derive(Debug, Error)]
pub enum UserError {
    #[error("no such user")]
    NotFound,
    /// Only users who have logged in can be suspended or reactivated.
    #[error("the user is only invited")]
    OnlyInvited,
    #[error("the user is being removed")]
    BeingRemoved,
    #[error("the last active administrator")]
    LastAdmin,
    /// The caller may not manage the user's role, or may not grant the new one.
    #[error("the caller may not manage this user, or grant this role")]
    Forbidden,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A user who was changed or removed, and what was revoked as a consequence.
#[derive(Debug)]
pub struct ChangedUser {
    pub user: User,
    /// The revoked invitations, which the user had sent and which granted a role above `member`.
    pub revoked: Vec<Invitation>,
}
