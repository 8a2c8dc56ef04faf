//! Login of the administrators named by `ADMIN_EMAILS`.
//!
//! The setting creates the first administrators, and restores access when no active administrator is
//! left. In all other cases the database decides.

use crate::{Ctx, Email, Guard, GuardName, Page, Role, StoreResult, User, UserFilter, UserStatus};

/// Permission to log in as an administrator without an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BootstrapPermission {
    /// The guard to add to the change that creates the administrator, if the permission depends on there
    /// being no other. Of two concurrent logins, one is refused.
    pub guard: Option<Guard>,
}

/// Returns the permission of an address, whose user is `user`, if it has one at present.
pub(crate) async fn bootstrap_permission(
    ctx: &Ctx,
    email: &Email,
    user: Option<&User>,
) -> StoreResult<Option<BootstrapPermission>> {
    let can_log_in =
        user.is_none_or(|user| matches!(user.status, UserStatus::Active | UserStatus::Invited));
    if !can_log_in || !ctx.policy.admin_emails.contains(email) {
        return Ok(None);
    }
    // Read after the user: the address of a user who was removed in between is found here.
    if user.is_none() && !ctx.store.was_removed(email).await? {
        return Ok(Some(BootstrapPermission { guard: None }));
    }
    // Read before the count, so that a change in between causes a conflict.
    let version = ctx.store.guard(GuardName::ActiveAdmins).await?;
    if ctx.store.count_active_admins().await? > 0 {
        return Ok(None);
    }
    let guard = Guard { name: GuardName::ActiveAdmins, version };
    Ok(Some(BootstrapPermission { guard: Some(guard) }))
}

/// Returns an administrator's address that can log in: the configured one or, if its user was removed or
/// suspended, that of an active administrator.
pub async fn bootstrap_login_address(ctx: &Ctx, configured: &Email) -> StoreResult<Email> {
    let user = ctx.store.user_by_email(configured).await?;
    let is_active = user.as_ref().is_some_and(|user| user.status == UserStatus::Active);
    if is_active || bootstrap_permission(ctx, configured, user.as_ref()).await?.is_some() {
        return Ok(configured.clone());
    }
    let filter = UserFilter {
        role: Some(Role::Admin),
        status: Some(UserStatus::Active),
        ..UserFilter::default()
    };
    let admins = ctx.store.users(&filter, Page { after: None, limit: 1 }).await?;
    Ok(admins.into_iter().next().map_or_else(|| configured.clone(), |admin| admin.email))
}
