//! Adds an active user without sending a mail.

use thiserror::Error;

use crate::flows::invite::{already_member, expire_invitation};
use crate::jobs::cancel_dead_delivery;
use crate::{
    Actor, Change, Ctx, Email, EventKind, InvitationId, ManageableRoles, Metadata, Name,
    OptimisticRetry, Role, StoreError, User, UserId, UserStatus,
};

/// A request to add a user.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub email: Email,
    pub name: Option<Name>,
    /// The role to grant. The caller has checked that the actor may grant it.
    pub role: Role,
    pub metadata: Metadata,
    /// Roles the caller is allowed to manage: the address may belong to an invited user.
    pub manageable: ManageableRoles,
}

/// The error of adding a user.
#[derive(Debug, Error)]
pub enum AddUserError {
    #[error("the address has an open invitation")]
    AlreadyInvited(InvitationId),
    #[error("{}", already_member(*is_suspended))]
    AlreadyMember { user: UserId, is_suspended: bool },
    #[error("the address's user is being removed")]
    BeingRemoved,
    /// The caller may not manage the address's user.
    #[error("the caller may not manage this user")]
    Forbidden,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds an active user, who can log in from now on. No mail is sent.
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
            let expired = expire_invitation(ctx, change, &latest);
            change = cancel_dead_delivery(ctx, expired, &latest);
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
        let change = change.event(event).upsert_user(user.clone(), is_new);
        if retry.apply(ctx, change).await? {
            return Ok(user);
        }
    }
}
