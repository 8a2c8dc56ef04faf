//! Adds, changes and removes users.

mod add;
mod change;
mod privileged_invitations;
mod remove;

pub use self::add::{AddUserError, NewUser, add_user};
pub use self::change::{ChangeUserError, UserChange, change_user};
pub use self::privileged_invitations::{ChangedUser, privileged_invitations_by};
pub use self::remove::{RemoveUserError, remove_user};
