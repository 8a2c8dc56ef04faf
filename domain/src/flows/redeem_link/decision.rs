//! Decides whether the holder of a link may log in.

use jiff::Timestamp;

use crate::flows::authenticate_link::{RedeemError, link_works};
use crate::flows::bootstrap_admin::{BootstrapPermission, bootstrap_permission};
use crate::{
    AuthenticatedSession, Ctx, Email, Invitation, InvitationId, InvitationStatus, LoginRequest,
    ReturnTo, StoreResult, User, UserId, UserStatus,
};

/// The stored facts that decide whether the holder of a link may log in.
pub(super) struct LoginFacts {
    pub(super) user: Option<User>,
    /// The user's newest invitation.
    latest: Option<Invitation>,
    /// The invitation that the link names. It may be another user's, because URLs can be edited.
    named: Option<Invitation>,
    /// The address's last login request.
    request: Option<LoginRequest>,
    /// The permission to log in as an administrator by configuration, with the address.
    pub(super) bootstrap: Option<(Email, BootstrapPermission)>,
}

impl LoginFacts {
    pub(super) async fn read(
        ctx: &Ctx,
        named: Option<InvitationId>,
        authenticated: &AuthenticatedSession,
    ) -> StoreResult<Self> {
        let identity = &authenticated.session.provider_user_id;
        let mut user = ctx.store.user_by_provider_id(identity).await?;
        if let (None, Some(email)) = (&user, &authenticated.email) {
            user = ctx.store.user_by_email(email).await?;
        }
        let latest = ctx.latest_invitation(user.as_ref()).await?;
        let named = match named {
            Some(id) => ctx.store.invitation(id).await?,
            None => None,
        };
        let (request, bootstrap) = match &authenticated.email {
            Some(email) => {
                let request = ctx.store.login_requests(email, 1).await?.pop();
                let permission = bootstrap_permission(ctx, email, user.as_ref()).await?;
                (request, permission.map(|permission| (email.clone(), permission)))
            }
            None => (None, None),
        };
        Ok(Self { user, latest, named, request, bootstrap })
    }

    pub(super) fn names_another_user(&self) -> bool {
        let user = self.user.as_ref().map(|user| user.id);
        self.named.as_ref().is_some_and(|named| Some(named.user_id) != user)
    }

    /// Returns the target of the last login request whose link still works.
    pub(super) fn return_to(&self, ctx: &Ctx) -> Option<ReturnTo> {
        let last = self.request.as_ref()?;
        if link_works(ctx, last, ctx.now()) { last.return_to.clone() } else { None }
    }
}

pub(super) struct Login {
    /// The user before the login.
    pub(super) user: User,
    pub(super) is_new: bool,
    /// Makes the user an administrator, regardless of the invitation's role.
    pub(super) bootstrap: Option<BootstrapPermission>,
    /// The invitation that the login accepts.
    pub(super) accepted: Option<Invitation>,
    /// An invitation that the login does not accept, because it has expired or its delivery has failed.
    pub(super) superseded: Option<Invitation>,
}

pub(super) fn authorize_login(ctx: &Ctx, facts: &LoginFacts) -> Result<Login, RedeemError> {
    if facts.names_another_user() {
        return Err(RedeemError::LinkInvalid);
    }
    let status = facts.user.as_ref().map(|user| user.status);
    match status {
        Some(UserStatus::Suspended) => return Err(RedeemError::AccountSuspended),
        Some(UserStatus::Deleting) => return Err(RedeemError::NotInvited),
        Some(UserStatus::Active | UserStatus::Invited) | None => {}
    }
    if let Some((email, permission)) = &facts.bootstrap {
        return Ok(bootstrap_login(ctx, facts, email, *permission));
    }
    let Some(user) = facts.user.clone() else { return Err(RedeemError::NotInvited) };
    let accepted = match (status, &facts.latest) {
        (Some(UserStatus::Active), _) => None,
        (_, Some(latest)) => Some(require_acceptable(latest, ctx.now())?.clone()),
        (_, None) => return Err(RedeemError::NotInvited),
    };
    Ok(Login { user, is_new: false, bootstrap: None, accepted, superseded: None })
}

/// Creates the login of an administrator by configuration. It needs no invitation, but accepts an open
/// one.
fn bootstrap_login(
    ctx: &Ctx,
    facts: &LoginFacts,
    email: &Email,
    permission: BootstrapPermission,
) -> Login {
    let is_new = facts.user.is_none();
    let user = facts.user.clone().unwrap_or_else(|| {
        User::new(UserId(ctx.ids.next()), email.clone(), UserStatus::Active, ctx.now())
    });
    let (accepted, superseded) = match facts.latest.clone() {
        Some(open) if open.can_be_accepted(ctx.now()) => (Some(open), None),
        ended => (None, ended),
    };
    Login { user, is_new, bootstrap: Some(permission), accepted, superseded }
}

fn require_acceptable(latest: &Invitation, now: Timestamp) -> Result<&Invitation, RedeemError> {
    if latest.can_be_accepted(now) {
        return Ok(latest);
    }
    Err(match latest.status {
        InvitationStatus::Revoked => RedeemError::InvitationRevoked,
        InvitationStatus::Expired | InvitationStatus::Queued | InvitationStatus::Sent => {
            RedeemError::LinkExpired
        }
        InvitationStatus::Accepted | InvitationStatus::Failed => RedeemError::NotInvited,
    })
}
