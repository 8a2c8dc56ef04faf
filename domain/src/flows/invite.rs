//! Somebody is invited: user, invitation, event and job in one change.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use crate::flows::SendInvitation;
use crate::flows::deliver::dismiss;
use crate::{
    Actor, Change, Ctx, Email, EventKind, Guard, GuardName, Invitation, InvitationId,
    InvitationStatus, ManageableRoles, Metadata, Name, NewJob, OptimisticRetry, ReturnTo, Role,
    StoreError, User, UserId, UserStatus,
};

/// After what is asked for singly, before what is not for people.
const BULK_PRIORITY: i16 = 15;

/// What an inviter asks for.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Whom.
    pub email: Email,
    /// What to call them.
    pub name: Option<Name>,
    /// What they will be here; the caller may grant it.
    pub role: Role,
    /// Whom the caller may act on: the address can be of a person who was invited before.
    pub manageable: ManageableRoles,
    /// The application's own facts about them.
    pub metadata: Metadata,
    /// Where they go after coming in.
    pub return_to: Option<ReturnTo>,
    /// How long the link works, 5 to 10080; the house's rule where it is not said.
    pub expires_in_minutes: Option<u32>,
    /// One of many at once: those that are asked for singly go first.
    pub is_bulk: bool,
}

/// Why nobody was invited.
#[derive(Debug, Error)]
pub enum InviteError {
    /// The address has an open invitation already.
    #[error("the address has an open invitation")]
    AlreadyInvited(InvitationId),
    /// The address belongs to a user.
    #[error("{}", already_member(*is_suspended))]
    AlreadyMember {
        /// Whose it is.
        user: UserId,
        /// Whether they are suspended.
        is_suspended: bool,
    },
    /// The address is being freed: its user is on the way out.
    #[error("the address's user is being removed")]
    BeingRemoved,
    /// The caller may not act on the person whose address it is, or the inviter is no longer an
    /// administrator and may not grant the role.
    #[error("the caller may not grant this role, or act on this user")]
    Forbidden,
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a user's address can be neither invited nor added, in words.
pub(super) fn already_member(is_suspended: bool) -> &'static str {
    if is_suspended {
        "the address belongs to a member who is suspended"
    } else {
        "the address belongs to a member"
    }
}

/// Invites somebody. The mail goes out later, from the worker.
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

/// Whether somebody could be invited now; nothing is written.
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
    let latest = match &known {
        Some(user) => ctx.store.latest_invitation(user.id).await?,
        None => None,
    };
    let (invitation, mut change) = decide(ctx, request, by, known, latest.as_ref())?;
    change.guards.extend(guard);
    Ok((invitation, change))
}

/// Checks that a user who grants a role above `member` is an administrator still. The guard keeps
/// the answer true until the change is applied: whoever takes the administrator away meanwhile
/// either finds the invitation, or is noticed here.
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
    match known.as_ref().map(|user| (user.status, user.id)) {
        None | Some((UserStatus::Invited, _)) => {}
        Some((status @ (UserStatus::Active | UserStatus::Suspended), user)) => {
            let is_suspended = status == UserStatus::Suspended;
            return Err(InviteError::AlreadyMember { user, is_suspended });
        }
        Some((UserStatus::Deleting, _)) => return Err(InviteError::BeingRemoved),
    }
    let overdue = match latest.filter(|latest| latest.status.is_open()) {
        Some(open) if open.can_be_accepted(ctx.now()) => {
            return Err(InviteError::AlreadyInvited(open.id));
        }
        other => other,
    };
    if known.as_ref().is_some_and(|user| !request.manageable.includes(user.role)) {
        return Err(InviteError::Forbidden);
    }
    let mut change = Change::new();
    if let Some(ended) = latest {
        change = dismiss(ctx, change, ended);
    }
    if let Some(overdue) = overdue {
        change = expire(ctx, change, overdue);
    }
    let (user, change) = take_in(ctx, change, request, known);
    let mail_at = latest.map_or(ctx.now(), |latest| latest.next_mail_at(ctx.now()));
    let invitation = write(ctx, request, by, &user, mail_at);
    let event = ctx.invitation_event(EventKind::Requested, &invitation, by, Value::Null);
    let job = SendInvitation::of(&invitation).into_job(ctx, Some(mail_at));
    let priority = if request.is_bulk { BULK_PRIORITY } else { job.priority };
    let job = NewJob { priority, ..job };
    let change = change.insert_invitation(invitation.clone()).event(event).job(job);
    Ok((invitation, change))
}

/// The sweep has not come by yet: its work is done here, or the address would seem taken.
pub(super) fn expire(ctx: &Ctx, change: Change, overdue: &Invitation) -> Change {
    let mut expired = overdue.clone();
    if expired.expired(ctx.now()).is_err() {
        return change;
    }
    let event = ctx.invitation_event(EventKind::Expired, &expired, &Actor::System, Value::Null);
    change.update_invitation(expired).event(event)
}

fn take_in(
    ctx: &Ctx,
    change: Change,
    request: &NewInvitation,
    known: Option<User>,
) -> (User, Change) {
    let is_new = known.is_none();
    let id = || UserId(ctx.ids.next());
    let mut user = known
        .unwrap_or_else(|| User::new(id(), request.email.clone(), UserStatus::Invited, ctx.now()));
    user.role = request.role;
    user.name = request.name.clone().or(user.name);
    let change =
        if is_new { change.insert_user(user.clone()) } else { change.update_user(user.clone()) };
    (user, change)
}

fn write(
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
