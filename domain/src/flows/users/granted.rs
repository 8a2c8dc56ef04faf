//! Open invitations with a role above `member` that a user has sent. They are revoked when the user
//! may no longer grant such roles: an administrator who is removed, suspended or demoted must not
//! come back by an invitation to another address of theirs.

use crate::flows::revoke::take_back;
use crate::{
    Actor, Change, Ctx, Cursor, Invitation, Page, Role, StoreError, UserFilter, UserId, UserStatus,
};

/// People read at once.
const ROWS: u64 = 200;

/// Returns the open invitations with a role above `member` that a user has sent.
pub async fn privileged_invitations_by(
    ctx: &Ctx,
    inviter: UserId,
) -> Result<Vec<Invitation>, StoreError> {
    let mut found = Vec::new();
    for role in Role::ALL.iter().filter(|role| Role::Member.is_below(**role)) {
        // An open invitation is that of an invited user, whose role is the one it grants; those are
        // few, and an index finds them.
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
            found.extend(latest.into_iter().filter(|one| is_sent_by(one, inviter)));
            if (ids.len() as u64) < ROWS {
                break;
            }
            after = Some(Cursor::from(last));
        }
    }
    Ok(found)
}

fn is_sent_by(invitation: &Invitation, inviter: UserId) -> bool {
    let sender = match &invitation.invited_by {
        Actor::User { id, .. } => Some(*id),
        Actor::Key { .. } | Actor::Cli | Actor::System => None,
    };
    sender == Some(inviter) && invitation.status.is_open() && invitation.user_id != inviter
}

/// Adds the revocation of those invitations to a change; returns them as revoked.
pub(super) async fn revoke_privileged(
    ctx: &Ctx,
    mut change: Change,
    inviter: UserId,
    by: &Actor,
) -> Result<(Change, Vec<Invitation>), StoreError> {
    let mut all = Vec::new();
    for invitation in privileged_invitations_by(ctx, inviter).await? {
        if let Some((revoked, with_it)) = take_back(ctx, change.clone(), &invitation, by) {
            change = with_it;
            all.push(revoked);
        }
    }
    Ok((change, all))
}
