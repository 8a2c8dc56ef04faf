//! Adds, changes and removes users, and ends all their sessions.

mod admin_loss;
mod change;
mod changed_user;

use self::admin_loss::{guard_last_admin, revoke_privileged_invitations};
use super::end_sessions::{SessionEnd, add_session_end, try_end_live};
use super::invitations::add_revocation;
use super::invite::{InviteError, check_address, supersede};
use crate::jobs::{DeleteIdentity, cancel_dead_delivery};
use crate::{
    Actor, Change, Ctx, Email, EndReason, EventKind, ManageableRoles, Metadata, Name,
    OptimisticRetry, Role, SessionSelector, User, UserId, UserStatus,
};

pub use self::admin_loss::privileged_invitations_by;
pub use self::change::{UserChange, change_user};
pub use self::changed_user::{ChangedUser, UserError};

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

/// Adds an active user, who can log in from now on. No mail is sent.
pub async fn add_user(ctx: &Ctx, request: NewUser, by: &Actor) -> Result<User, InviteError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let known = ctx.store.user_by_email(&request.email).await?;
        let latest = ctx.latest_invitation(known.as_ref()).await?;
        check_address(ctx, known.as_ref(), latest.as_ref(), request.manageable)?;
        let change = supersede(ctx, Change::new(), latest.as_ref());
        let mut user = known.clone().unwrap_or_else(|| {
            let id = UserId(ctx.ids.next());
            User::new(id, request.email.clone(), UserStatus::Active, ctx.now())
        });
        user.status = UserStatus::Active;
        user.name = request.name.clone().or(user.name);
        user.role = request.role;
        user.metadata = request.metadata.clone();
        let event = ctx.user_event(EventKind::UserAdded, &user, by);
        let change = change.event(event).upsert_user(known, user.clone());
        if retry.apply(ctx, change).await? {
            return Ok(user);
        }
    }
}

/// Starts the removal of a user. The user's sessions and open invitation end at once, and open
/// invitations with a role above `member` that the user has sent are revoked. A repeated request
/// retries the deletion.
pub async fn remove_user(
    ctx: &Ctx,
    id: UserId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<ChangedUser, UserError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let mut user = ctx.store.user(id).await?.ok_or(UserError::NotFound)?;
        if !manageable.includes(user.role) {
            return Err(UserError::Forbidden);
        }
        let change = Change::new().job(DeleteIdentity::job_for(ctx, id));
        if user.status == UserStatus::Deleting {
            if retry.apply(ctx, change).await? {
                return Ok(ChangedUser { user, revoked: Vec::new() });
            }
            continue;
        }
        let mut change = guard_last_admin(ctx, change, &user).await?;
        if let Some(latest) = ctx.store.latest_invitation(id).await? {
            change = cancel_dead_delivery(ctx, change, &latest);
            if latest.status.is_open() {
                (_, change) = add_revocation(ctx, change, &latest, by);
            }
        }
        let before = user.clone();
        user.status = UserStatus::Deleting;
        let event = ctx.user_event(EventKind::UserDeleting, &user, by);
        let live = ctx.store.live_sessions(id, ctx.now()).await?;
        let change = change.update_user(before, user.clone()).event(event);
        let end = SessionEnd { sessions: SessionSelector::All, reason: EndReason::Removed, by };
        let change = add_session_end(ctx, change, &user, &live, end);
        let (change, revoked) = revoke_privileged_invitations(ctx, change, id, by).await?;
        if retry.apply(ctx, change).await? {
            return Ok(ChangedUser { user, revoked });
        }
    }
}

/// Ends all sessions of a user. Returns the number of ended sessions.
pub async fn end_all_sessions(
    ctx: &Ctx,
    user: UserId,
    manageable: ManageableRoles,
    by: &Actor,
) -> Result<usize, UserError> {
    let (sessions, reason) = (SessionSelector::All, EndReason::Revoked);
    let mut retry = OptimisticRetry::default();
    loop {
        let user = ctx.store.user(user).await?.ok_or(UserError::NotFound)?;
        if !manageable.includes(user.role) {
            return Err(UserError::Forbidden);
        }
        let end = SessionEnd { sessions, reason, by };
        if let Some(ended) = try_end_live(ctx, &mut retry, &user, end).await? {
            return Ok(ended.len());
        }
    }
}
