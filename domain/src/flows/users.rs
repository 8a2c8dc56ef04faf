//! People are added without a mail, changed, suspended and let in again, and removed.

mod change;
mod granted;
mod remove;

use thiserror::Error;

pub use self::change::{ChangeUserError, UserChange, change_user};
pub use self::granted::privileged_invitations_by;
pub use self::remove::{DeleteIdentity, RemoveUserError, remove_user};
use super::deliver::dismiss;
use super::invite::{already_member, expire};
use crate::{
    Actor, Change, Ctx, Email, EventKind, Guard, GuardName, Invitation, InvitationId,
    ManageableRoles, Metadata, Name, OptimisticRetry, Role, StoreError, User, UserId, UserStatus,
};

/// Somebody to be added.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Their address.
    pub email: Email,
    /// What to call them.
    pub name: Option<Name>,
    /// What they are here; the caller may grant it.
    pub role: Role,
    /// The application's own facts about them.
    pub metadata: Metadata,
    /// Whom the caller may act on: the address can be of a person who was invited before.
    pub manageable: ManageableRoles,
}

/// A user who was changed or removed, and what was revoked with that.
#[derive(Debug)]
pub struct ChangedUser {
    /// The user as written.
    pub user: User,
    /// Open invitations with a role above `member` that the user had sent.
    pub revoked: Vec<Invitation>,
}

impl ChangedUser {
    fn alone(user: User) -> Self {
        Self { user, revoked: Vec::new() }
    }
}

/// Why nobody was added.
#[derive(Debug, Error)]
pub enum AddUserError {
    /// The address has an open invitation.
    #[error("the address has an open invitation")]
    AlreadyInvited(InvitationId),
    /// The address belongs to a user.
    #[error("{}", already_member(*is_suspended))]
    AlreadyMember {
        /// Whose it is.
        user: UserId,
        /// Whether they are suspended.
        is_suspended: bool,
    },
    /// The address is being freed: its user is on the way out.
    #[error("the address's user is being removed")]
    BeingRemoved,
    /// The address is of a person whom the caller may not act on.
    #[error("beyond the manageable of the caller")]
    Forbidden,
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds somebody without a mail: they may log in from now on.
pub async fn add_user(ctx: &Ctx, request: NewUser, by: &Actor) -> Result<User, AddUserError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let known = ctx.store.user_by_email(&request.email).await?;
        match known.as_ref().map(|user| (user.status, user.id)) {
            None | Some((UserStatus::Invited, _)) => {}
            Some((UserStatus::Deleting, _)) => return Err(AddUserError::BeingRemoved),
            Some((status @ (UserStatus::Active | UserStatus::Suspended), user)) => {
                let is_suspended = status == UserStatus::Suspended;
                return Err(AddUserError::AlreadyMember { user, is_suspended });
            }
        }
        let mut change = Change::new();
        if let Some(user) = &known
            && let Some(latest) = ctx.store.latest_invitation(user.id).await?
        {
            if latest.can_be_accepted(ctx.now()) {
                return Err(AddUserError::AlreadyInvited(latest.id));
            }
            change = dismiss(ctx, expire(ctx, change, &latest), &latest);
        }
        if known.as_ref().is_some_and(|user| !request.manageable.includes(user.role)) {
            return Err(AddUserError::Forbidden);
        }
        let is_new = known.is_none();
        let mut user = known.unwrap_or_else(|| {
            let id = UserId(ctx.ids.next());
            User::new(id, request.email.clone(), UserStatus::Active, ctx.now())
        });
        user.status = UserStatus::Active;
        user.name = request.name.clone().or(user.name);
        user.role = request.role;
        user.metadata = request.metadata.clone();
        let event = ctx.user_event(EventKind::UserAdded, &user, by);
        let change = change.event(event);
        let change = if is_new {
            change.insert_user(user.clone())
        } else {
            change.update_user(user.clone())
        };
        if retry.apply(ctx, change).await? {
            return Ok(user);
        }
    }
}

/// Adds to a change what keeps somebody there to administer, when it takes an administrator away;
/// none when it would take the last.
async fn leaving_an_admin(
    ctx: &Ctx,
    mut change: Change,
    user: &User,
) -> Result<Option<Change>, StoreError> {
    if !user.is_active_admin() {
        return Ok(Some(change));
    }
    // Before the count: whoever raises it in between is noticed.
    let version = ctx.store.guard(GuardName::ActiveAdmins).await?;
    if ctx.store.count_active_admins().await? <= 1 {
        return Ok(None);
    }
    change.guards.push(Guard { name: GuardName::ActiveAdmins, version });
    Ok(Some(change))
}
