//! Changes a user's name, role, metadata or status.

use serde_json::{Value, json};

use super::admin_loss::{guard_last_admin, revoke_privileged_invitations};
use super::changed_user::{ChangedUser, UserError};
use crate::flows::end_sessions::{SessionEnd, add_session_end};
use crate::{
    Actor, Change, Ctx, EndReason, Event, EventKind, Invitation, InvitationStatus, ManageableRoles,
    Metadata, Name, OptimisticRetry, Role, SessionSelector, StoreResult, User, UserId, UserStatus,
};

/// Fields to change; `None` leaves a field unchanged.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// `Some(None)` removes the name.
    pub name: Option<Option<Name>>,
    pub role: Option<Role>,
    /// `true` suspends the user, `false` reactivates.
    pub is_suspended: Option<bool>,
    pub metadata: Option<Metadata>,
    /// Roles the caller is allowed to manage and to grant.
    pub manageable: ManageableRoles,
}

impl UserChange {
    pub fn is_empty(&self) -> bool {
        let Self { name, role, is_suspended, metadata, manageable: _ } = self;
        name.is_none() && role.is_none() && is_suspended.is_none() && metadata.is_none()
    }
}

/// Changes a user. Suspending a user or lowering the role ends all sessions, and revokes open
/// invitations with a role above `member` that the user has sent.
pub async fn change_user(
    ctx: &Ctx,
    id: UserId,
    wanted: &UserChange,
    by: &Actor,
) -> Result<ChangedUser, UserError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let before = ctx.store.user(id).await?.ok_or(UserError::NotFound)?;
        let after = decide(&before, wanted)?;
        if after == before {
            return Ok(ChangedUser { user: before, revoked: Vec::new() });
        }
        let (change, revoked) = change_with_consequences(ctx, &before, &after, by).await?;
        if retry.apply(ctx, change).await? {
            return Ok(ChangedUser { user: after, revoked });
        }
    }
}

fn decide(before: &User, wanted: &UserChange) -> Result<User, UserError> {
    let mut after = before.clone();
    after.role = wanted.role.unwrap_or(after.role);
    if !wanted.manageable.includes(before.role) || !wanted.manageable.includes(after.role) {
        return Err(UserError::Forbidden);
    }
    after.status = match (before.status, wanted.is_suspended) {
        (UserStatus::Deleting, _) => return Err(UserError::BeingRemoved),
        (UserStatus::Invited, Some(_)) => return Err(UserError::OnlyInvited),
        (_, Some(true)) => UserStatus::Suspended,
        (_, Some(false)) => UserStatus::Active,
        (status, None) => status,
    };
    after.name = wanted.name.clone().unwrap_or(after.name);
    after.metadata = wanted.metadata.clone().unwrap_or(after.metadata);
    Ok(after)
}

fn is_suspended(before: &User, after: &User) -> bool {
    before.status != after.status && after.status == UserStatus::Suspended
}

async fn change_with_consequences(
    ctx: &Ctx,
    before: &User,
    after: &User,
    by: &Actor,
) -> Result<(Change, Vec<Invitation>), UserError> {
    let mut change = Change::new().update_user(before.clone(), after.clone());
    if !after.is_active_admin() {
        change = guard_last_admin(ctx, change, before).await?;
    }
    if after.status == UserStatus::Invited {
        change = update_invitation(ctx, change, after).await?;
    }
    change.events.extend(events(ctx, before, after, by));
    let reason = if is_suspended(before, after) {
        EndReason::Suspended
    } else if after.role.is_below(before.role) {
        EndReason::Demoted
    } else {
        return Ok((change, Vec::new()));
    };
    let live = ctx.store.live_sessions(after.id, ctx.now()).await?;
    let end = SessionEnd { sessions: SessionSelector::All, reason, by };
    let change = add_session_end(ctx, change, after, &live, end);
    if before.role == Role::Member {
        return Ok((change, Vec::new()));
    }
    Ok(revoke_privileged_invitations(ctx, change, after.id, by).await?)
}

/// Copies the changes of an invited user to the invitation, whose values replace the user's when it is
/// accepted.
async fn update_invitation(ctx: &Ctx, change: Change, user: &User) -> StoreResult<Change> {
    let latest = ctx.store.latest_invitation(user.id).await?;
    let is_over = |status| matches!(status, InvitationStatus::Accepted | InvitationStatus::Revoked);
    let Some(before) = latest.filter(|latest| !is_over(latest.status)) else {
        return Ok(change);
    };
    let mut after = before.clone();
    after.name.clone_from(&user.name);
    after.role = user.role;
    after.metadata.clone_from(&user.metadata);
    Ok(change.update_invitation(before, after))
}

fn events(ctx: &Ctx, before: &User, after: &User, by: &Actor) -> Vec<Event> {
    let event = |kind, detail: Value| Event { detail, ..ctx.user_event(kind, after, by) };
    let mut events = Vec::new();
    let mut fields = Vec::new();
    if before.name != after.name {
        fields.push("name");
    }
    if before.metadata != after.metadata {
        fields.push("metadata");
    }
    if !fields.is_empty() {
        events.push(event(EventKind::UserChanged, json!({ "fields": fields })));
    }
    if before.role != after.role {
        let detail = json!({ "from": before.role, "to": after.role });
        events.push(event(EventKind::RoleChanged, detail));
    }
    if is_suspended(before, after) {
        events.push(event(EventKind::UserSuspended, Value::Null));
    }
    if before.status == UserStatus::Suspended && after.status == UserStatus::Active {
        events.push(event(EventKind::UserReactivated, Value::Null));
    }
    events
}
