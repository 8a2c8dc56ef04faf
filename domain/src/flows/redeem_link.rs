//! Logs in the holder of a link that the provider has authenticated, if they may still log in.
//! [`super::authenticate_link`] is the step before.

mod decision;

use serde_json::{Value, json};

use self::decision::{Login, LoginFacts, authorize_login};
use super::authenticate_link::{RedeemError, used_link_return_to};
use super::bootstrap_admin::BootstrapPermission;
use super::end_sessions::replace_session;
use super::invite::supersede;
use crate::jobs::RevokeSession;
use crate::{
    Actor, AuthenticatedSession, Change, Ctx, Event, EventKind, Invitation, InvitationId,
    OptimisticRetry, ReturnTo, Role, Session, SessionId, StoreResult, TokenHash, Tokens, UsedLink,
    User, UserId, UserStatus,
};

/// A request to log in with a link.
pub struct RedeemLink {
    pub token: String,
    pub token_hash: TokenHash,
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
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

#[derive(Debug, Clone)]
pub struct LoggedIn {
    pub user: User,
    pub session: Session,
    /// The session's secrets, for the cookies.
    pub tokens: Tokens,
    pub return_to: Option<ReturnTo>,
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

fn log_in(
    ctx: &Ctx,
    request: &RedeemLink,
    authenticated: &AuthenticatedSession,
    requested: Option<ReturnTo>,
    login: Login,
) -> (LoggedIn, Change) {
    let now = ctx.now();
    let Login { mut user, is_new, bootstrap, accepted, superseded } = login;
    let before = (!is_new).then(|| user.clone());
    let mut return_to = requested;
    let mut change = supersede(ctx, Change::new(), superseded.as_ref());
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
    change = change.upsert_user(before, user.clone());
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
    let before = invitation.clone();
    if invitation.mark_accepted(ctx.now()).is_err() {
        return change;
    }
    let by = Actor::of(user);
    let event = ctx.invitation_event(EventKind::Accepted, &invitation, &by, Value::Null);
    change.update_invitation(before, invitation).event(event)
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
