//! Logs in the holder of a link that the provider has authenticated, if they may still log in.
//! [`super::authenticate_link`] is the step before.

use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use super::bootstrap_admin::{BootstrapPermission, bootstrap_permission};
use super::end_sessions::{SessionEnd, add_session_end};
use super::invite::expire_invitation;
use crate::jobs::{RevokeSession, cancel_dead_delivery};
use crate::{
    Actor, AuthenticatedSession, Change, Ctx, Email, EndReason, Event, EventKind, Invitation,
    InvitationId, InvitationStatus, LoginRequest, OptimisticRetry, ProviderError, ReturnTo, Role,
    Session, SessionId, SessionSelector, StoreError, StoreResult, TokenHash, Tokens, UsedLink,
    User, UserId, UserStatus,
};

/// A request to log in with a link.
pub struct RedeemLink {
    /// The link's token.
    pub token: String,
    /// The hash of the token.
    pub token_hash: TokenHash,
    /// The invitation that the link names.
    pub invitation: Option<InvitationId>,
    pub browser: Browser,
    /// The browser's current session, which the new one replaces.
    pub previous_session: Option<Session>,
}

impl std::fmt::Debug for RedeemLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedeemLink").field("invitation", &self.invitation).finish_non_exhaustive()
    }
}

/// What a list of sessions shows about the browser of a session.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The client's address.
    pub ip: Option<String>,
}

/// The result of a login.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    pub user: User,
    pub session: Session,
    /// The session's secrets, for the cookies.
    pub tokens: Tokens,
    /// The page to open.
    pub return_to: Option<ReturnTo>,
}

/// The error of redeeming a link.
#[derive(Debug, Error)]
pub enum RedeemError {
    /// The link was used: by this user, or for a login that was refused (`None`).
    #[error("the link was used")]
    LinkUsed(Option<UserId>),
    #[error("the link has expired")]
    LinkExpired,
    /// The provider does not know the link, or it names another user's invitation.
    #[error("the link is not valid")]
    LinkInvalid,
    #[error("the invitation was revoked")]
    InvitationRevoked,
    #[error("the account is suspended")]
    AccountSuspended,
    /// The address belongs to no user, or to one without an open invitation.
    #[error("not invited")]
    NotInvited,
    /// Another request, in this process or another, is authenticating the link.
    #[error("the link is being checked")]
    InProgress,
    /// The provider failed. The link may have been consumed.
    #[error("the provider failed: {0}")]
    Provider(ProviderError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Logs in the holder of an authenticated link, if they may still log in, and records it.
///
/// The link has been consumed, so after a store error the caller SHOULD call this again, unless
/// [`find_redemption`] shows that the failed call was recorded.
pub async fn redeem_link(
    ctx: &Ctx,
    request: &RedeemLink,
    authenticated: &AuthenticatedSession,
) -> Result<LoggedIn, RedeemError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let facts = LoginFacts::read(ctx, request.invitation, authenticated).await?;
        let (answer, change) = match authorize_login(ctx, &facts) {
            Ok(login) => {
                let return_to = facts.return_to(ctx);
                let (logged_in, mut change) = log_in(ctx, request, authenticated, return_to, login);
                if let Some(previous) = &request.previous_session {
                    change = replace_session(ctx, change, previous).await?;
                }
                (Ok(logged_in), change)
            }
            Err(error) => {
                let change = refuse(ctx, request.token_hash, authenticated, &facts, &error);
                (Err(error), change)
            }
        };
        if retry.apply(ctx, change).await? {
            return answer;
        }
    }
}

/// Returns what an earlier call of [`redeem_link`], whose answer was lost, has recorded.
pub async fn find_redemption(
    ctx: &Ctx,
    request: &RedeemLink,
    authenticated: &AuthenticatedSession,
) -> StoreResult<Option<LoggedIn>> {
    let id = &authenticated.session.provider_session_id;
    let Some((session, user)) = ctx.store.session_by_provider_id(id).await? else {
        return Ok(None);
    };
    let return_to = used_link_return_to(ctx, request.token_hash, &user).await?;
    Ok(Some(LoggedIn { user, session, tokens: authenticated.tokens.clone(), return_to }))
}

/// The stored facts that decide whether the holder of a link may log in.
struct LoginFacts {
    user: Option<User>,
    /// The user's newest invitation.
    latest: Option<Invitation>,
    /// The invitation that the link names. It may be another user's, because URLs can be edited.
    named: Option<Invitation>,
    /// The address's last login request.
    request: Option<LoginRequest>,
    /// The permission to log in as an administrator by configuration, with the address.
    bootstrap: Option<(Email, BootstrapPermission)>,
}

impl LoginFacts {
    async fn read(
        ctx: &Ctx,
        named: Option<InvitationId>,
        authenticated: &AuthenticatedSession,
    ) -> StoreResult<Self> {
        let identity = &authenticated.session.provider_user_id;
        let mut user = ctx.store.user_by_provider_id(identity).await?;
        if let (None, Some(email)) = (&user, &authenticated.email) {
            user = ctx.store.user_by_email(email).await?;
        }
        let latest = match &user {
            Some(user) => ctx.store.latest_invitation(user.id).await?,
            None => None,
        };
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

    /// Returns whether the link names another user's invitation.
    fn names_another_user(&self) -> bool {
        let user = self.user.as_ref().map(|user| user.id);
        self.named.as_ref().is_some_and(|named| Some(named.user_id) != user)
    }

    /// Returns the target of the last login request whose link still works.
    fn return_to(&self, ctx: &Ctx) -> Option<ReturnTo> {
        let last = self.request.as_ref()?;
        if link_works(ctx, last, ctx.now()) { last.return_to.clone() } else { None }
    }
}

/// Returns whether the link of a login request works at a time.
fn link_works(ctx: &Ctx, request: &LoginRequest, at: Timestamp) -> bool {
    at < request.at + ctx.policy.login_link_lifetime()
}

/// Returns the page that a used link opened for the user, as far as it is still known.
pub async fn used_link_return_to(
    ctx: &Ctx,
    token: TokenHash,
    user: &User,
) -> StoreResult<Option<ReturnTo>> {
    const RECENT: u64 = 20;
    let Some(link) = ctx.store.used_link(token).await? else { return Ok(None) };
    let requests = ctx.store.login_requests(&user.email, RECENT).await?;
    let request = requests.into_iter().find(|request| request.at <= link.at);
    let request = request.filter(|request| link_works(ctx, request, link.at));
    if let Some(return_to) = request.and_then(|request| request.return_to) {
        return Ok(Some(return_to));
    }
    // An invitation that was accepted before the link was used belongs to an earlier link.
    let latest = ctx.store.latest_invitation(user.id).await?;
    let accepted = latest.filter(|latest| latest.accepted_at.is_some_and(|at| at >= link.at));
    Ok(accepted.and_then(|invitation| invitation.return_to))
}

/// An authorized login.
struct Login {
    /// The user before the login.
    user: User,
    is_new: bool,
    /// Makes the user an administrator, regardless of the invitation's role.
    bootstrap: Option<BootstrapPermission>,
    /// The invitation that the login accepts.
    accepted: Option<Invitation>,
    /// An invitation that the login does not accept, because it has expired or its delivery has failed.
    superseded: Option<Invitation>,
}

fn authorize_login(ctx: &Ctx, facts: &LoginFacts) -> Result<Login, RedeemError> {
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

fn log_in(
    ctx: &Ctx,
    request: &RedeemLink,
    authenticated: &AuthenticatedSession,
    requested: Option<ReturnTo>,
    login: Login,
) -> (LoggedIn, Change) {
    let now = ctx.now();
    let Login { mut user, is_new, bootstrap, accepted, superseded } = login;
    let mut return_to = requested;
    let mut change = Change::new();
    if let Some(latest) = superseded {
        change = cancel_dead_delivery(ctx, expire_invitation(ctx, change, &latest), &latest);
    }
    if let Some(invitation) = accepted {
        // The target of the login request is newer than that of the invitation.
        return_to = return_to.or_else(|| invitation.return_to.clone());
        change = accept_invitation(ctx, change, invitation, &mut user);
    }
    if let Some(BootstrapPermission { guard }) = bootstrap {
        change.guards.extend(guard);
        change = promote_to_admin(ctx, change, &mut user, is_new);
    }
    user.status = UserStatus::Active;
    user.provider_user_id = Some(authenticated.session.provider_user_id.clone());
    user.last_seen_at = Some(now);
    let session = start_session(ctx, request, authenticated, user.id);
    let started = ctx.user_event(EventKind::SessionStarted, &user, &Actor::of(&user));
    change = change.event(Event { detail: json!({ "session": session.id }), ..started });
    change.sessions.push(session.clone());
    let token_hash = request.token_hash;
    change.used_links.push(UsedLink { token_hash, user_id: Some(user.id), at: now });
    change = change.upsert_user(user.clone(), is_new);
    (LoggedIn { user, session, tokens: authenticated.tokens.clone(), return_to }, change)
}

fn accept_invitation(
    ctx: &Ctx,
    change: Change,
    mut invitation: Invitation,
    user: &mut User,
) -> Change {
    user.role = invitation.role;
    user.metadata = invitation.metadata.clone();
    user.name = user.name.take().or_else(|| invitation.name.clone());
    if invitation.mark_accepted(ctx.now()).is_err() {
        return change;
    }
    let by = Actor::of(user);
    let event = ctx.invitation_event(EventKind::Accepted, &invitation, &by, Value::Null);
    change.update_invitation(invitation).event(event)
}

fn promote_to_admin(ctx: &Ctx, change: Change, user: &mut User, is_new: bool) -> Change {
    let before = std::mem::replace(&mut user.role, Role::Admin);
    if is_new || before == Role::Admin {
        return change;
    }
    let detail = json!({ "from": before, "to": Role::Admin });
    change.event(Event { detail, ..ctx.user_event(EventKind::RoleChanged, user, &Actor::System) })
}

fn start_session(
    ctx: &Ctx,
    request: &RedeemLink,
    authenticated: &AuthenticatedSession,
    user_id: UserId,
) -> Session {
    const MAX_USER_AGENT: usize = 400;
    let now = ctx.now();
    let user_agent = request.browser.user_agent.as_ref();
    Session {
        id: SessionId(ctx.ids.next()),
        user_id,
        provider_session_id: authenticated.session.provider_session_id.clone(),
        token_hash: TokenHash::of(&authenticated.tokens.session_token),
        started_at: now,
        expires_at: authenticated.session.expires_at,
        last_used_at: now,
        user_agent: user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect()),
        ip: request.browser.ip.clone(),
        ended: None,
    }
}

/// Ends the session that a browser had before it logged in again.
pub async fn end_replaced_session(ctx: &Ctx, previous: &Session) -> StoreResult<()> {
    let mut retry = OptimisticRetry::default();
    loop {
        let change = replace_session(ctx, Change::new(), previous).await?;
        if retry.apply(ctx, change).await? {
            return Ok(());
        }
    }
}

/// Adds the end of the browser's previous session to a change. The session may be another user's,
/// so that planting one in a browser gains nothing.
async fn replace_session(ctx: &Ctx, change: Change, previous: &Session) -> StoreResult<Change> {
    let current = ctx.store.session(previous.id).await?;
    let user = ctx.store.user(previous.user_id).await?;
    let is_live = current.is_some_and(|session| session.is_live(ctx.now()));
    let (Some(user), true) = (user, is_live) else { return Ok(change) };
    let sessions = SessionSelector::One(previous.id);
    let end = SessionEnd { sessions, reason: EndReason::Replaced, by: &Actor::of(&user) };
    Ok(add_session_end(ctx, change, &user, std::slice::from_ref(previous), end))
}

/// Creates the change of a refused login. The link has been consumed and the provider has started a
/// session; neither may be of use to anyone.
fn refuse(
    ctx: &Ctx,
    token_hash: TokenHash,
    authenticated: &AuthenticatedSession,
    facts: &LoginFacts,
    error: &RedeemError,
) -> Change {
    let job = RevokeSession::job_for(ctx, &authenticated.session.provider_session_id);
    let mut change = Change::new().job(job);
    change.used_links.push(UsedLink { token_hash, user_id: None, at: ctx.now() });
    // A link that combines the data of two users is recorded for neither.
    let user = facts.user.as_ref().filter(|_| !facts.names_another_user());
    if let Some(user) = user {
        let event = ctx.user_event(EventKind::LoginRefused, user, &Actor::of(user));
        let detail = json!({ "why": error.to_string() });
        change = change.event(Event { detail, ..event });
    }
    change
}
