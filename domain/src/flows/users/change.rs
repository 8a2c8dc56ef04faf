//! People are changed: what they are called, what they may do, whether they may come in.

use serde_json::{Value, json};
use thiserror::Error;

use super::granted::revoke_privileged;
use super::{ChangedUser, leaving_an_admin};
use crate::flows::sessions::{Ending, end};
use crate::{
    Actor, Change, Ctx, EndReason, Event, EventKind, Invitation, InvitationStatus, ManageableRoles,
    Metadata, Name, OptimisticRetry, Role, SessionSelector, StoreError, User, UserId, UserStatus,
};

/// What is to be other than it is; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// What to call them; a none in here takes the name away.
    pub name: Option<Option<Name>>,
    /// What they are here.
    pub role: Option<Role>,
    /// Whether they may not come in.
    pub is_suspended: Option<bool>,
    /// The application's own facts about them, all of them.
    pub metadata: Option<Metadata>,
    /// Whom the caller may act on: each of these fields is theirs only within it.
    pub manageable: ManageableRoles,
}

impl UserChange {
    /// Whether it names no field.
    pub fn is_empty(&self) -> bool {
        let Self { name, role, is_suspended, metadata, manageable: _ } = self;
        name.is_none() && role.is_none() && is_suspended.is_none() && metadata.is_none()
    }
}

/// Why nobody was changed.
#[derive(Debug, Error)]
pub enum ChangeUserError {
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// They have not come in yet: there is nothing to suspend or to let in again.
    #[error("the user is only invited")]
    OnlyInvited,
    /// They are on the way out.
    #[error("the user is being removed")]
    BeingRemoved,
    /// Nobody would be left to administer.
    #[error("the last active administrator")]
    LastAdmin,
    /// Whoever asks may not act on somebody of that role, nor give it.
    #[error("beyond the manageable of whoever asks")]
    Forbidden,
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes somebody. Suspended or demoted, their sessions end at once: here, and at Stytch soon
/// after. So do the open invitations with a role above `member` that they have sent.
pub async fn change_user(
    ctx: &Ctx,
    id: UserId,
    wanted: &UserChange,
    by: &Actor,
) -> Result<ChangedUser, ChangeUserError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let before = ctx.store.user(id).await?.ok_or(ChangeUserError::NotFound)?;
        let after = decide(&before, wanted)?;
        if after == before {
            return Ok(ChangedUser::alone(before));
        }
        let (change, revoked) = write(ctx, &before, &after, by).await?;
        if retry.apply(ctx, change).await? {
            return Ok(ChangedUser { user: after, revoked });
        }
    }
}

fn decide(before: &User, wanted: &UserChange) -> Result<User, ChangeUserError> {
    let mut after = before.clone();
    after.role = wanted.role.unwrap_or(after.role);
    if !wanted.manageable.includes(before.role) || !wanted.manageable.includes(after.role) {
        return Err(ChangeUserError::Forbidden);
    }
    after.status = match (before.status, wanted.is_suspended) {
        (UserStatus::Deleting, _) => return Err(ChangeUserError::BeingRemoved),
        (UserStatus::Invited, Some(_)) => return Err(ChangeUserError::OnlyInvited),
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

fn is_reactivated(before: &User, after: &User) -> bool {
    before.status == UserStatus::Suspended && after.status == UserStatus::Active
}

async fn write(
    ctx: &Ctx,
    before: &User,
    after: &User,
    by: &Actor,
) -> Result<(Change, Vec<Invitation>), ChangeUserError> {
    let mut change = Change::new().update_user(after.clone());
    if !after.is_active_admin() {
        let left = leaving_an_admin(ctx, change, before).await?;
        change = left.ok_or(ChangeUserError::LastAdmin)?;
    }
    if after.status == UserStatus::Invited {
        change = tell_invitation(ctx, change, after).await?;
    }
    for event in events(ctx, before, after, by) {
        change = change.event(event);
    }
    let reason = if is_suspended(before, after) {
        EndReason::Suspended
    } else if after.role.is_below(before.role) {
        EndReason::Demoted
    } else {
        return Ok((change, Vec::new()));
    };
    let live = ctx.store.live_sessions(after.id, ctx.now()).await?;
    let change = end(ctx, change, after, &live, Ending { which: SessionSelector::All, reason, by });
    if before.role == Role::Member {
        return Ok((change, Vec::new()));
    }
    Ok(revoke_privileged(ctx, change, after.id, by).await?)
}

/// Somebody who is only invited becomes what their invitation says, so it says the same.
async fn tell_invitation(ctx: &Ctx, change: Change, user: &User) -> Result<Change, StoreError> {
    let latest = ctx.store.latest_invitation(user.id).await?;
    let is_over = |status| matches!(status, InvitationStatus::Accepted | InvitationStatus::Revoked);
    let Some(mut latest) = latest.filter(|latest| !is_over(latest.status)) else {
        return Ok(change);
    };
    latest.name.clone_from(&user.name);
    latest.role = user.role;
    latest.metadata.clone_from(&user.metadata);
    Ok(change.update_invitation(latest))
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
    if is_reactivated(before, after) {
        events.push(event(EventKind::UserReactivated, Value::Null));
    }
    events
}
