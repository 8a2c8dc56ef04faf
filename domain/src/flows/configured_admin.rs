//! `ADMIN_EMAILS`: makes the first administrators, and opens a way back in when no active
//! administrator is left. In every other case what the database says holds.

use crate::{Ctx, Email, Guard, GuardName, Page, Role, StoreError, User, UserFilter, UserStatus};

/// Permission to log in as an administrator without an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bootstrap {
    /// Belongs into the change that makes the administrator, where the permission depends on there
    /// being no other: of two who log in at the same time, one is refused.
    pub guard: Option<Guard>,
}

/// Returns the permission of an address, whose user is `user`, if it has one now.
pub(super) async fn bootstrap(
    ctx: &Ctx,
    email: &Email,
    user: Option<&User>,
) -> Result<Option<Bootstrap>, StoreError> {
    let may_log_in =
        user.is_none_or(|user| matches!(user.status, UserStatus::Active | UserStatus::Invited));
    if !may_log_in || !ctx.policy.admin_emails.contains(email) {
        return Ok(None);
    }
    // Read after the user: one who was removed in between is found as a removed address.
    if user.is_none() && !ctx.store.was_removed(email).await? {
        return Ok(Some(Bootstrap { guard: None }));
    }
    // Read before the count, so that a change in between is noticed.
    let version = ctx.store.guard(GuardName::ActiveAdmins).await?;
    if ctx.store.count_active_admins().await? > 0 {
        return Ok(None);
    }
    let guard = Guard { name: GuardName::ActiveAdmins, version };
    Ok(Some(Bootstrap { guard: Some(guard) }))
}

/// Returns an address that can log in now: the configured one, or where its user was removed or
/// suspended, that of an active administrator.
pub async fn bootstrap_login_address(ctx: &Ctx, configured: &Email) -> Result<Email, StoreError> {
    let user = ctx.store.user_by_email(configured).await?;
    let is_active = user.as_ref().is_some_and(|user| user.status == UserStatus::Active);
    if is_active || bootstrap(ctx, configured, user.as_ref()).await?.is_some() {
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
