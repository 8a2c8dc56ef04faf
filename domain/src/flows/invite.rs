//! Invites a person: writes user, invitation, event and job in one change.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use crate::jobs::{SendInvitation, cancel_dead_delivery};
use crate::{
    Actor, Change, Ctx, Email, EventKind, Guard, GuardName, Invitation, InvitationId,
    InvitationStatus, ManageableRoles, Metadata, Name, NewJob, OptimisticRetry, ReturnTo, Role,
    StoreError, User, UserId, UserStatus,
};

/// The priority of bulk invitations: after single invitations, before other jobs.
const BULK_PRIORITY: i16 = 15;

#[derive(Debug, Clone)]
pub struct NewInvitation {
    pub email: Email,
    pub name: Option<Name>,
    /// The role to grant. The caller has checked that the inviter may grant it.
    pub role: Role,
    /// Roles the inviter is allowed to manage: the address may belong to an invited user.
    pub manageable: ManageableRoles,
    pub metadata: Metadata,
    pub return_to: Option<ReturnTo>,
    /// The lifetime of the link, within [`LINK_MINUTES`](crate::LINK_MINUTES); the policy's by default.
    pub expires_in_minutes: Option<u32>,
    /// Whether the invitation is one of many. Single invitations are sent first.
    pub is_bulk: bool,
}

/// The error of inviting a person, or of adding a user.
#[derive(Debug, Error)]
pub enum InviteError {
    #[error("the address has an open invitation")]
    AlreadyInvited(InvitationId),
    #[error("{}", already_member(*is_suspended))]
    AlreadyMember { user: UserId, is_suspended: bool },
    #[error("the address's user is being removed")]
    BeingRemoved,
    /// The inviter may not manage the address's user or, having been an administrator, no longer is one
    /// and may not grant the role.
    #[error("the caller may not grant this role, or manage this user")]
    Forbidden,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns the message for an address that belongs to an active or suspended user.
fn already_member(is_suspended: bool) -> &'static str {
    if is_suspended {
        "the address belongs to a member who is suspended"
    } else {
        "the address belongs to a member"
    }
}

/// Invites a person. The worker sends the mail.
pub async fn invite(
    ctx: &Ctx,
    request: NewInvitation,
    by: &Actor,
) -> Result<Invitation, InviteError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let (invitation, change) = read_and_decide(ctx, &request, by).await?;
        if retry.apply(ctx, change).await? {
            return Ok(invitation);
        }
    }
}

/// Checks whether [`invite`] would succeed, without writing anything.
pub async fn check_invite(
    ctx: &Ctx,
    request: &NewInvitation,
    by: &Actor,
) -> Result<(), InviteError> {
    read_and_decide(ctx, request, by).await.map(drop)
}

async fn read_and_decide(
    ctx: &Ctx,
    request: &NewInvitation,
    by: &Actor,
) -> Result<(Invitation, Change), InviteError> {
    let guard = check_inviter(ctx, request.role, by).await?;
    let known = ctx.store.user_by_email(&request.email).await?;
    let latest = ctx.latest_invitation(known.as_ref()).await?;
    let (invitation, mut change) = decide(ctx, request, by, known, latest.as_ref())?;
    change.guards.extend(guard);
    Ok((invitation, change))
}

/// Checks that a user who grants a role above `member` is still an administrator. The guard keeps this
/// true until the change is applied: a concurrent change that takes the administrator away either finds
/// the invitation, or causes a conflict.
async fn check_inviter(ctx: &Ctx, role: Role, by: &Actor) -> Result<Option<Guard>, InviteError> {
    let Actor::User { id, .. } = by else { return Ok(None) };
    if !Role::Member.is_below(role) {
        return Ok(None);
    }
    let version = ctx.store.guard(GuardName::ActiveAdmins).await?;
    let inviter = ctx.store.user(*id).await?;
    if !inviter.is_some_and(|inviter| inviter.is_active_admin()) {
        return Err(InviteError::Forbidden);
    }
    Ok(Some(Guard { name: GuardName::ActiveAdmins, version }))
}

fn decide(
    ctx: &Ctx,
    request: &NewInvitation,
    by: &Actor,
    known: Option<User>,
    latest: Option<&Invitation>,
) -> Result<(Invitation, Change), InviteError> {
    check_address(ctx, known.as_ref(), latest, request.manageable)?;
    let change = supersede(ctx, Change::new(), latest);
    let (user, change) = upsert_user(ctx, change, request, known);
    let mail_at = latest.map_or(ctx.now(), |latest| latest.next_mail_at(ctx.now()));
    let invitation = new_invitation(ctx, request, by, &user, mail_at);
    let event = ctx.invitation_event(EventKind::Requested, &invitation, by, Value::Null);
    let job = SendInvitation::of(&invitation).into_job(ctx, Some(mail_at));
    let priority = if request.is_bulk { BULK_PRIORITY } else { job.priority };
    let job = NewJob { priority, ..job };
    let change = change.insert_invitation(invitation.clone()).event(event).job(job);
    Ok((invitation, change))
}

/// Checks that an address with this user and invitation can be invited or added.
pub(in crate::flows) fn check_address(
    ctx: &Ctx,
    known: Option<&User>,
    latest: Option<&Invitation>,
    manageable: ManageableRoles,
) -> Result<(), InviteError> {
    match known.map(|user| (user.status, user.id)) {
        None | Some((UserStatus::Invited, _)) => {}
        Some((status @ (UserStatus::Active | UserStatus::Suspended), user)) => {
            let is_suspended = status == UserStatus::Suspended;
            return Err(InviteError::AlreadyMember { user, is_suspended });
        }
        Some((UserStatus::Deleting, _)) => return Err(InviteError::BeingRemoved),
    }
    if let Some(open) = latest.filter(|latest| latest.can_be_accepted(ctx.now())) {
        return Err(InviteError::AlreadyInvited(open.id));
    }
    if known.is_some_and(|user| !manageable.includes(user.role)) {
        return Err(InviteError::Forbidden);
    }
    Ok(())
}

/// Adds the end of an invitation that another one, or a login, replaces: it expires if it is overdue,
/// and its dead job is cancelled.
pub(in crate::flows) fn supersede(ctx: &Ctx, change: Change, ended: Option<&Invitation>) -> Change {
    match ended {
        Some(ended) => cancel_dead_delivery(ctx, expire_invitation(ctx, change, ended), ended),
        None => change,
    }
}

/// Adds the expiry of an overdue invitation to a change. Flows do this themselves, because an open
/// invitation occupies its address until the next sweep.
pub(crate) fn expire_invitation(ctx: &Ctx, change: Change, overdue: &Invitation) -> Change {
    let mut expired = overdue.clone();
    if expired.mark_expired(ctx.now()).is_err() {
        return change;
    }
    let event = ctx.invitation_event(EventKind::Expired, &expired, &Actor::System, Value::Null);
    change.update_invitation(overdue.clone(), expired).event(event)
}

fn upsert_user(
    ctx: &Ctx,
    change: Change,
    request: &NewInvitation,
    known: Option<User>,
) -> (User, Change) {
    let id = || UserId(ctx.ids.next());
    let mut user = known
        .clone()
        .unwrap_or_else(|| User::new(id(), request.email.clone(), UserStatus::Invited, ctx.now()));
    user.role = request.role;
    user.name = request.name.clone().or(user.name);
    (user.clone(), change.upsert_user(known, user))
}

fn new_invitation(
    ctx: &Ctx,
    request: &NewInvitation,
    by: &Actor,
    user: &User,
    mail_at: Timestamp,
) -> Invitation {
    let now = ctx.now();
    let minutes = request.expires_in_minutes.unwrap_or(ctx.policy.invitation_minutes);
    Invitation {
        id: InvitationId(ctx.ids.next()),
        user_id: user.id,
        email: request.email.clone(),
        name: request.name.clone(),
        role: request.role,
        metadata: request.metadata.clone(),
        return_to: request.return_to.clone(),
        invited_by: by.clone(),
        status: InvitationStatus::Queued,
        delivery: 1,
        attempts: 0,
        next_attempt_at: Some(mail_at),
        held_by: None,
        last_error: None,
        in_doubt_since: None,
        as_login: false,
        created_at: now,
        resent_at: None,
        sent_at: None,
        visited_at: None,
        accepted_at: None,
        expires_at: now + Duration::from_secs(u64::from(minutes) * 60),
        version: 1,
    }
}
