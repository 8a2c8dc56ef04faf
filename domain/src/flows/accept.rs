//! The holder of a link pressed Continue, and Stytch has authenticated the link: they are logged in
//! if they still may be. [`super::link`] is what comes before.

use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use super::configured_admin::{Bootstrap, bootstrap};
use super::deliver::dismiss;
use super::invite::expire;
use super::sessions::{Ending, end};
use crate::flows::RevokeSession;
use crate::{
    Actor, AuthenticatedSession, Change, Ctx, Email, EndReason, Event, EventKind, Invitation,
    InvitationId, InvitationStatus, LoginRequest, OptimisticRetry, ProviderError, ReturnTo, Role,
    Session, SessionId, SessionSelector, StoreError, TokenHash, Tokens, UsedLink, User, UserId,
    UserStatus,
};

/// A press on Continue.
pub struct RedeemLink {
    /// The link's token.
    pub token: String,
    /// Which invitation the link says it is of.
    pub invitation: Option<InvitationId>,
    /// Where the press came from.
    pub browser: Browser,
    /// The session that the browser holds already; it ends when another begins.
    pub previous_session: Option<Session>,
}

impl std::fmt::Debug for RedeemLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedeemLink").field("invitation", &self.invitation).finish_non_exhaustive()
    }
}

/// What a session list can say of where somebody came in.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    /// The browser's own words.
    pub user_agent: Option<String>,
    /// The address it called from.
    pub ip: Option<String>,
}

/// Somebody who is in.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// By which session.
    pub session: Session,
    /// Its secrets, for the cookies.
    pub tokens: Tokens,
    /// Where they wanted to go.
    pub return_to: Option<ReturnTo>,
}

/// Why nobody came in.
#[derive(Debug, Error)]
pub enum RedeemError {
    /// The link has let somebody in before: whom, where that is known.
    #[error("the link was used")]
    LinkUsed(Option<UserId>),
    /// The link's time ran out.
    #[error("the link has expired")]
    LinkExpired,
    /// Stytch knows no such link.
    #[error("the link is not valid")]
    LinkInvalid,
    /// The invitation was taken back.
    #[error("the invitation was revoked")]
    InvitationRevoked,
    /// The person may not come in until an administrator says so.
    #[error("the account is suspended")]
    AccountSuspended,
    /// Nobody has asked the person in.
    #[error("not invited")]
    NotInvited,
    /// Another press of the link is being checked, here or by another process.
    #[error("the link is being checked")]
    InProgress,
    /// Stytch did not say; the link may be used up by asking.
    #[error("stytch: {0}")]
    Provider(ProviderError),
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Logs in the holder of a link that Stytch has authenticated, if they still may be, and records
/// it. The link is used up by then, so a caller whom the store fails SHOULD call again, after
/// [`recorded`] has said that the failed call recorded nothing.
pub async fn redeem_link(
    ctx: &Ctx,
    press: &RedeemLink,
    vouched: &AuthenticatedSession,
) -> Result<LoggedIn, RedeemError> {
    let hash = TokenHash::of(&press.token);
    let mut retry = OptimisticRetry::default();
    loop {
        let known = Known::read(ctx, press.invitation, vouched).await?;
        let (answer, change) = match judge(ctx, &known) {
            Ok(entry) => {
                let (came_in, mut change) = enter(ctx, press, vouched, known.return_to(ctx), entry);
                if let Some(old) = &press.previous_session {
                    change = replaced(ctx, change, old).await?;
                }
                (Ok(came_in), change)
            }
            Err(refusal) => {
                let change = refuse(ctx, hash, vouched, &known, &refusal);
                (Err(refusal), change)
            }
        };
        if retry.apply(ctx, change).await? {
            return answer;
        }
    }
}

/// What an earlier call of [`redeem_link`] has find_redemption, whose answer was lost; none if nothing.
pub async fn find_redemption(
    ctx: &Ctx,
    press: &RedeemLink,
    vouched: &AuthenticatedSession,
) -> Result<Option<LoggedIn>, StoreError> {
    let id = &vouched.session.provider_session_id;
    let Some((session, user)) = ctx.store.session_by_provider_id(id).await? else {
        return Ok(None);
    };
    let return_to = used_link_return_to(ctx, TokenHash::of(&press.token), &user).await?;
    Ok(Some(LoggedIn { user, session, tokens: vouched.tokens.clone(), return_to }))
}

/// What is known here of somebody whom Stytch vouches for.
struct Known {
    user: Option<User>,
    latest: Option<Invitation>,
    /// The invitation that the link names, which may be anybody's: the link's address can be edited.
    named: Option<Invitation>,
    /// The last request of the address for a login link.
    asked: Option<LoginRequest>,
    /// The address that may log in as an administrator by configuration.
    bootstrap: Option<(Email, Bootstrap)>,
}

impl Known {
    async fn read(
        ctx: &Ctx,
        named: Option<InvitationId>,
        vouched: &AuthenticatedSession,
    ) -> Result<Self, StoreError> {
        let mut user = ctx.store.user_by_provider_id(&vouched.session.provider_user_id).await?;
        if let (None, Some(email)) = (&user, &vouched.email) {
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
        let asked = match &vouched.email {
            Some(email) => ctx.store.login_requests(email, 1).await?.pop(),
            None => None,
        };
        let bootstrap = match &vouched.email {
            Some(email) => {
                let permission = bootstrap(ctx, email, user.as_ref()).await?;
                permission.map(|permission| (email.clone(), permission))
            }
            None => None,
        };
        Ok(Self { user, latest, named, asked, bootstrap })
    }

    /// Whether the link names an invitation of somebody else than it was sent to.
    fn is_named_for_another(&self) -> bool {
        let user = self.user.as_ref().map(|user| user.id);
        self.named.as_ref().is_some_and(|named| Some(named.user_id) != user)
    }

    /// Where the address wanted to go when it last asked for a link that still works.
    fn return_to(&self, ctx: &Ctx) -> Option<ReturnTo> {
        let last = self.asked.as_ref()?;
        if works(ctx, last, ctx.now()) { last.return_to.clone() } else { None }
    }
}

/// Whether the link that was asked for works at a time.
fn works(ctx: &Ctx, request: &LoginRequest, at: Timestamp) -> bool {
    at < request.at + ctx.policy.login_link_lifetime()
}

/// Where a link that has let this person in led to then, as far as that is still known.
pub async fn used_link_return_to(
    ctx: &Ctx,
    token: TokenHash,
    user: &User,
) -> Result<Option<ReturnTo>, StoreError> {
    const RECENT: u64 = 20;
    let Some(link) = ctx.store.used_link(token).await? else { return Ok(None) };
    let requests = ctx.store.login_requests(&user.email, RECENT).await?;
    let asked = requests.into_iter().find(|request| request.at <= link.at);
    let asked = asked.filter(|asked| works(ctx, asked, link.at)).and_then(|asked| asked.return_to);
    if asked.is_some() {
        return Ok(asked);
    }
    // Whoever came in by a later link had accepted by then.
    let latest = ctx.store.latest_invitation(user.id).await?;
    let accepted = latest.filter(|latest| latest.accepted_at.is_some_and(|at| at >= link.at));
    Ok(accepted.and_then(|invitation| invitation.return_to))
}

/// Somebody who may come in, as they are about to be written.
struct Entry {
    user: User,
    is_new: bool,
    /// Makes them an administrator by configuration, whatever the invitation says.
    bootstrap: Option<Bootstrap>,
    accepts: Option<Invitation>,
    /// One that they don't come in by: its time ran out, or it could not be sent.
    leaves: Option<Invitation>,
}

fn judge(ctx: &Ctx, known: &Known) -> Result<Entry, RedeemError> {
    if known.is_named_for_another() {
        return Err(RedeemError::LinkInvalid);
    }
    let status = known.user.as_ref().map(|user| user.status);
    match status {
        Some(UserStatus::Suspended) => return Err(RedeemError::AccountSuspended),
        Some(UserStatus::Deleting) => return Err(RedeemError::NotInvited),
        Some(UserStatus::Active | UserStatus::Invited) | None => {}
    }
    let latest = known.latest.as_ref();
    if let Some((email, permission)) = &known.bootstrap {
        return Ok(admin(ctx, known, email, *permission));
    }
    let Some(user) = known.user.clone() else { return Err(RedeemError::NotInvited) };
    let accepts = match (status, latest) {
        (Some(UserStatus::Active), _) => None,
        (_, Some(latest)) => Some(acceptable(latest, ctx.now())?.clone()),
        (_, None) => return Err(RedeemError::NotInvited),
    };
    Ok(Entry { user, is_new: false, bootstrap: None, accepts, leaves: None })
}

/// An administrator by configuration needs no invitation; an open one is accepted all the same.
fn admin(ctx: &Ctx, known: &Known, email: &Email, permission: Bootstrap) -> Entry {
    let is_new = known.user.is_none();
    let user = known.user.clone().unwrap_or_else(|| {
        User::new(UserId(ctx.ids.next()), email.clone(), UserStatus::Active, ctx.now())
    });
    let (accepts, leaves) = match known.latest.clone() {
        Some(open) if open.can_be_accepted(ctx.now()) => (Some(open), None),
        ended => (None, ended),
    };
    Entry { user, is_new, bootstrap: Some(permission), accepts, leaves }
}

fn acceptable(latest: &Invitation, now: Timestamp) -> Result<&Invitation, RedeemError> {
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

fn enter(
    ctx: &Ctx,
    press: &RedeemLink,
    vouched: &AuthenticatedSession,
    asked: Option<ReturnTo>,
    entry: Entry,
) -> (LoggedIn, Change) {
    let now = ctx.now();
    let Entry { mut user, is_new, bootstrap, accepts, leaves } = entry;
    let mut return_to = asked;
    let mut change = Change::new();
    if let Some(latest) = leaves {
        change = dismiss(ctx, expire(ctx, change, &latest), &latest);
    }
    if let Some(invitation) = accepts {
        // Where the person wanted to go when they asked is newer than where they were invited to.
        return_to = return_to.or_else(|| invitation.return_to.clone());
        change = accept(ctx, change, invitation, &mut user);
    }
    if let Some(Bootstrap { guard }) = bootstrap {
        change.guards.extend(guard);
        change = promote(ctx, change, &mut user, is_new);
    }
    user.status = UserStatus::Active;
    user.provider_user_id = Some(vouched.session.provider_user_id.clone());
    user.last_seen_at = Some(now);
    let session = begin(ctx, press, vouched, user.id);
    change = change.event(started(ctx, &user, &session));
    change.sessions.push(session.clone());
    let token_hash = TokenHash::of(&press.token);
    change.used_links.push(UsedLink { token_hash, user_id: Some(user.id), at: now });
    change =
        if is_new { change.insert_user(user.clone()) } else { change.update_user(user.clone()) };
    (LoggedIn { user, session, tokens: vouched.tokens.clone(), return_to }, change)
}

fn accept(ctx: &Ctx, change: Change, mut invitation: Invitation, user: &mut User) -> Change {
    user.role = invitation.role;
    user.metadata = invitation.metadata.clone();
    user.name = user.name.take().or_else(|| invitation.name.clone());
    if invitation.accepted(ctx.now()).is_err() {
        return change;
    }
    let by = Actor::of(user);
    let event = ctx.invitation_event(EventKind::Accepted, &invitation, &by, Value::Null);
    change.update_invitation(invitation).event(event)
}

/// By configuration, and not by anybody.
fn promote(ctx: &Ctx, change: Change, user: &mut User, is_new: bool) -> Change {
    let before = std::mem::replace(&mut user.role, Role::Admin);
    if is_new || before == Role::Admin {
        return change;
    }
    let detail = json!({ "from": before, "to": Role::Admin });
    change.event(Event { detail, ..ctx.user_event(EventKind::RoleChanged, user, &Actor::System) })
}

fn begin(
    ctx: &Ctx,
    press: &RedeemLink,
    vouched: &AuthenticatedSession,
    user_id: UserId,
) -> Session {
    const USER_AGENT: usize = 400;
    let now = ctx.now();
    let user_agent = press.browser.user_agent.as_ref();
    Session {
        id: SessionId(ctx.ids.next()),
        user_id,
        provider_session_id: vouched.session.provider_session_id.clone(),
        token_hash: TokenHash::of(&vouched.tokens.session_token),
        started_at: now,
        expires_at: vouched.session.expires_at,
        last_used_at: now,
        user_agent: user_agent.map(|words| words.chars().take(USER_AGENT).collect()),
        ip: press.browser.ip.clone(),
        ended: None,
    }
}

fn started(ctx: &Ctx, user: &User, session: &Session) -> Event {
    let mut event = ctx.user_event(EventKind::SessionStarted, user, &Actor::of(user));
    event.detail = json!({ "session": session.id });
    event
}

/// Ends the session that a browser held before it was given another one.
pub async fn end_replaced_session(ctx: &Ctx, old: &Session) -> Result<(), StoreError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let change = replaced(ctx, Change::new(), old).await?;
        if retry.apply(ctx, change).await? {
            return Ok(());
        }
    }
}

/// The browser's earlier session ends: a session that somebody else planted there gains nothing.
async fn replaced(ctx: &Ctx, change: Change, old: &Session) -> Result<Change, StoreError> {
    let now = ctx.store.session(old.id).await?;
    let holder = ctx.store.user(old.user_id).await?;
    let (Some(holder), true) = (holder, now.is_some_and(|now| now.is_live(ctx.now()))) else {
        return Ok(change);
    };
    let by = &Actor::of(&holder);
    let ending = Ending { which: SessionSelector::One(old.id), reason: EndReason::Replaced, by };
    Ok(end(ctx, change, &holder, std::slice::from_ref(old), ending))
}

/// The link is used up and Stytch has made a session: neither may be of use to anybody.
fn refuse(
    ctx: &Ctx,
    hash: TokenHash,
    vouched: &AuthenticatedSession,
    known: &Known,
    refusal: &RedeemError,
) -> Change {
    let job = RevokeSession::of(&vouched.session.provider_session_id).into_job(ctx);
    let mut change = Change::new().job(job);
    change.used_links.push(UsedLink { token_hash: hash, user_id: None, at: ctx.now() });
    // A link that combines two people's data is recorded for neither.
    let user = known.user.as_ref().filter(|_| !known.is_named_for_another());
    if let Some(user) = user {
        let mut event = ctx.user_event(EventKind::LoginRefused, user, &Actor::of(user));
        event.detail = json!({ "why": refusal.to_string() });
        change = change.event(event);
    }
    change
}
