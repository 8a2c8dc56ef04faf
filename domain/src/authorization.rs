//! Who acts, and whom they may manage: decided by the role of the user whom an action concerns.

use crate::{ApiKeyId, Ctx, Invitation, InvitationId, Role, StoreResult, User, UserId};

/// Who performed an action. Names are copied at the time of the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A user with a session.
    User {
        id: UserId,
        /// The user's name, or the address of a user without one.
        name: String,
    },
    /// A program with an API key.
    Key { id: ApiKeyId, name: String },
    /// The operator at the command line.
    Cli,
    /// Guestlist itself.
    System,
}

impl Actor {
    pub fn of(user: &User) -> Self {
        let name = user.name.as_ref().map_or(user.email.as_str(), |name| name.as_str());
        Self::User { id: user.id, name: name.to_owned() }
    }

    /// Returns the text used by the API and in the database.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Key { .. } => "key",
            Self::Cli => "cli",
            Self::System => "system",
        }
    }

    pub fn id(&self) -> Option<uuid::Uuid> {
        match self {
            Self::User { id, .. } => Some(id.0),
            Self::Key { id, .. } => Some(id.0),
            Self::Cli | Self::System => None,
        }
    }

    pub fn name(&self) -> Option<&str> {
        match self {
            Self::User { name, .. } | Self::Key { name, .. } => Some(name),
            Self::Cli | Self::System => None,
        }
    }
}

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
