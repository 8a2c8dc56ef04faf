//! The users and invitations that a caller may manage, by the role of the user concerned.

use crate::{Ctx, Invitation, InvitationId, Role, StoreResult};

/// Roles the caller is allowed to manage and to grant. A caller who could change an administrator in any
/// way could take over the account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ManageableRoles {
    /// Only `member`.
    #[default]
    MemberOnly,
    All,
}

impl ManageableRoles {
    /// Returns whether the caller may manage users with a role, and grant it.
    pub fn includes(self, role: Role) -> bool {
        self == Self::All || role == Role::Member
    }

    pub(crate) async fn includes_invitation(
        self,
        ctx: &Ctx,
        invitation: &Invitation,
    ) -> StoreResult<bool> {
        Ok(self == Self::All || self.includes(role_of_invitee(ctx, invitation).await?))
    }
}

/// Returns the role of an invitation's invitee, or `member` if the invitation no longer exists.
pub(crate) async fn role_of_invitation(ctx: &Ctx, id: InvitationId) -> StoreResult<Role> {
    match ctx.store.invitation(id).await? {
        Some(invitation) => role_of_invitee(ctx, &invitation).await,
        None => Ok(Role::Member),
    }
}

/// Returns the higher of the user's role and the role that the invitation grants.
async fn role_of_invitee(ctx: &Ctx, invitation: &Invitation) -> StoreResult<Role> {
    let user = ctx.store.user(invitation.user_id).await?;
    Ok(user.map_or(invitation.role, |user| invitation.role.higher(user.role)))
}
