//! What an administrator's suspension, demotion or removal requires.
//!
//! At least one active administrator must remain. Open invitations that the administrator has sent, and
//! that grant a role above `member`, are revoked: otherwise the administrator could return by accepting
//! one sent to another address.

use super::changed_user::UserError;
use crate::flows::invitations::add_revocation;
use crate::{
    Actor, Change, Ctx, Cursor, Guard, GuardName, Invitation, Page, Role, StoreResult, User,
    UserFilter, UserId, UserStatus,
};

const ROWS: u64 = 200;

/// Returns the open invitations with a role above `member` that a user has sent.
pub async fn privileged_invitations_by(ctx: &Ctx, inviter: UserId) -> StoreResult<Vec<Invitation>> {
    let mut found = Vec::new();
    for role in Role::ALL.iter().filter(|role| Role::Member.is_below(**role)) {
        // The invitee of an open invitation has the status `invited` and the role that it grants. Such
        // users are few, and an index finds them.
        let filter = UserFilter {
            role: Some(*role),
            status: Some(UserStatus::Invited),
            ..UserFilter::default()
        };
        let mut after = None;
        loop {
            let users = ctx.store.users(&filter, Page { after, limit: ROWS }).await?;
            let ids: Vec<_> = users.iter().map(|user| user.id).collect();
            let Some(last) = ids.last().copied() else { break };
            let latest = ctx.store.latest_invitations(&ids).await?;
            found.extend(latest.into_iter().filter(|one| is_open_from(one, inviter)));
            if (ids.len() as u64) < ROWS {
                break;
            }
            after = Some(Cursor::from(last));
        }
    }
    Ok(found)
}

fn is_open_from(invitation: &Invitation, inviter: UserId) -> bool {
    let sender = match &invitation.invited_by {
        Actor::User { id, .. } => Some(*id),
        Actor::Key { .. } | Actor::Cli | Actor::System => None,
    };
    sender == Some(inviter) && invitation.status.is_open() && invitation.user_id != inviter
}

/// Adds the revocation of those invitations to a change. Returns the invitations as revoked.
pub(super) async fn revoke_privileged_invitations(
    ctx: &Ctx,
    mut change: Change,
    inviter: UserId,
    by: &Actor,
) -> StoreResult<(Change, Vec<Invitation>)> {
    let mut all = Vec::new();
    for invitation in privileged_invitations_by(ctx, inviter).await? {
        let revoked;
        (revoked, change) = add_revocation(ctx, change, &invitation, by);
        all.extend(revoked);
    }
    Ok((change, all))
}

/// Adds the guard that keeps at least one active administrator to a change that takes `user` away.
/// Fails if the user is the last one.
pub(super) async fn guard_last_admin(
    ctx: &Ctx,
    mut change: Change,
    user: &User,
) -> Result<Change, UserError> {
    if !user.is_active_admin() {
        return Ok(change);
    }
    // Read before the count, so that a change in between causes a conflict.
    let version = ctx.store.guard(GuardName::ActiveAdmins).await?;
    if ctx.store.count_active_admins().await? <= 1 {
        return Err(UserError::LastAdmin);
    }
    change.guards.push(Guard { name: GuardName::ActiveAdmins, version });
    Ok(change)
}
