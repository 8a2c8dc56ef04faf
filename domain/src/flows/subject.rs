//! The people that jobs and invitations are about, for the rights of a caller who acts on them.

use crate::flows::{
    CheckIdentity, DeleteIdentity, Reconcile, RevokeInvitation, RevokeSession, SendInvitation,
    SendLoginLink, Sweep,
};
use crate::{Ctx, Invitation, InvitationId, Job, ManageableRoles, QueuedJob, Role, StoreError};

/// Whether the caller may act on the person whom a job is about. A job that can't be read may be
/// about anybody.
pub(super) async fn covers_job(
    ctx: &Ctx,
    manageable: ManageableRoles,
    job: &QueuedJob,
) -> Result<bool, StoreError> {
    if manageable == ManageableRoles::All {
        return Ok(true);
    }
    let role = match job.kind.as_str() {
        SendInvitation::KIND => role_of_job::<SendInvitation>(ctx, job).await?,
        SendLoginLink::KIND => role_of_job::<SendLoginLink>(ctx, job).await?,
        RevokeInvitation::KIND => role_of_job::<RevokeInvitation>(ctx, job).await?,
        RevokeSession::KIND => role_of_job::<RevokeSession>(ctx, job).await?,
        DeleteIdentity::KIND => role_of_job::<DeleteIdentity>(ctx, job).await?,
        CheckIdentity::KIND => role_of_job::<CheckIdentity>(ctx, job).await?,
        Sweep::KIND => role_of_job::<Sweep>(ctx, job).await?,
        Reconcile::KIND => role_of_job::<Reconcile>(ctx, job).await?,
        _ => None,
    };
    Ok(role.is_some_and(|role| manageable.includes(role)))
}

async fn role_of_job<J: Job>(ctx: &Ctx, job: &QueuedJob) -> Result<Option<Role>, StoreError> {
    match J::from_args(&job.args) {
        Some(job) => job.subject_role(ctx).await.map(Some),
        None => Ok(None),
    }
}

/// Whether the caller may act on the person whom an invitation is for.
pub(super) async fn covers_invitation(
    ctx: &Ctx,
    manageable: ManageableRoles,
    invitation: &Invitation,
) -> Result<bool, StoreError> {
    Ok(manageable == ManageableRoles::All || manageable.includes(role_of(ctx, invitation).await?))
}

/// The role of an invitation's person; `member` if the invitation is gone.
pub(super) async fn invited_role(ctx: &Ctx, id: InvitationId) -> Result<Role, StoreError> {
    match ctx.store.invitation(id).await? {
        Some(invitation) => role_of(ctx, &invitation).await,
        None => Ok(Role::Member),
    }
}

/// The higher of the role that the person has and the one that the invitation gives.
async fn role_of(ctx: &Ctx, invitation: &Invitation) -> Result<Role, StoreError> {
    let user = ctx.store.user(invitation.user_id).await?;
    Ok(user.map_or(invitation.role, |user| invitation.role.higher(user.role)))
}
