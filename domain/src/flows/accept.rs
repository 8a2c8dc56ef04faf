//! Somebody pressed Continue: Stytch vouches for them, and they come in if they still may.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use super::configured_admin::{Bootstrap, bootstrap};
use super::deliver::dismiss;
use super::invite::expire;
use super::sessions::{Ending, end};
use crate::flows::RevokeSession;
use crate::{
    Actor, Change, Ctx, Email, EndReason, Event, EventKind, Invitation, InvitationId,
    InvitationStatus, LoginRequest, LoginRequestId, ProviderError, ProviderErrorKind, ReturnTo,
    Role, Rounds, Session, SessionId, StoreError, TokenHash, Tokens, UsedLink, User, UserId,
    UserStatus, Vouched, Which,
};

/// A press on Continue.
#[derive(Clone)]
pub struct Press {
    /// The link's token.
    pub token: String,
    /// Which invitation the link says it is of.
    pub invitation: Option<InvitationId>,
    /// Where the press came from.
    pub browser: Browser,
    /// The session that the browser holds already; it ends when another begins.
    pub replaces: Option<Session>,
}

impl std::fmt::Debug for Press {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Press").field("invitation", &self.invitation).finish_non_exhaustive()
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
pub struct CameIn {
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
pub enum AcceptError {
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
    /// Stytch did not say; the link may be used up by asking.
    #[error("stytch: {0}")]
    Provider(ProviderError),
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lets the holder of a link in, if they still may.
pub async fn press_continue(ctx: &Ctx, press: Press) -> Result<CameIn, AcceptError> {
    let hash = TokenHash::of(&press.token);
    if let Some(used) = ctx.store.used_link(hash).await? {
        return Err(AcceptError::LinkUsed(used.user_id));
    }
    if let Some(id) = press.invitation
        && let Some(named) = ctx.store.invitation(id).await?
        && named.status == InvitationStatus::Revoked
    {
        return Err(AcceptError::InvitationRevoked);
    }
    let minutes = ctx.policy.session_minutes;
    let vouched = match ctx.provider.authenticate_link(&press.token, minutes).await {
        Ok(vouched) => vouched,
        Err(error) => return Err(why_not(ctx, hash, error).await?),
    };
    let mut rounds = Rounds::default();
    loop {
        let known = Known::read(ctx, &vouched).await?;
        let (answer, change) = match judge(ctx, &known) {
            Ok(entry) => {
                let (came_in, mut change) =
                    enter(ctx, &press, &vouched, known.return_to(ctx), entry);
                let cleared = known.asked.first();
                let id = LoginRequestId(ctx.ids.next());
                change.login_requests.extend(cleared.and_then(|last| last.cleared(id, ctx.now())));
                if let Some(old) = &press.replaces {
                    change = replaced(ctx, change, old).await?;
                }
                (Ok(came_in), change)
            }
            Err(refusal) => {
                let change = refuse(ctx, hash, &vouched, &known, &refusal);
                (Err(refusal), change)
            }
        };
        if rounds.apply(ctx, change).await? {
            return answer;
        }
    }
}

async fn why_not(
    ctx: &Ctx,
    hash: TokenHash,
    error: ProviderError,
) -> Result<AcceptError, StoreError> {
    if error.kind != ProviderErrorKind::Rejected {
        return Ok(AcceptError::Provider(error));
    }
    if error.code != "unable_to_auth_magic_link" {
        return Ok(AcceptError::LinkInvalid);
    }
    // Stytch says "used or expired" in one word; what came in here is known here.
    let used = ctx.store.used_link(hash).await?;
    Ok(used.map_or(AcceptError::LinkExpired, |used| AcceptError::LinkUsed(used.user_id)))
}

/// What is known here of somebody whom Stytch vouches for.
struct Known {
    user: Option<User>,
    latest: Option<Invitation>,
    /// What the address has asked for last.
    asked: Vec<LoginRequest>,
    /// The address that may log in as an administrator by configuration.
    bootstrap: Option<(Email, Bootstrap)>,
}

impl Known {
    async fn read(ctx: &Ctx, vouched: &Vouched) -> Result<Self, StoreError> {
        let mut user = ctx.store.user_by_stytch_id(&vouched.session.stytch_user_id).await?;
        if let (None, Some(email)) = (&user, &vouched.email) {
            user = ctx.store.user_by_email(email).await?;
        }
        let latest = match &user {
            Some(user) => ctx.store.latest_invitation(user.id).await?,
            None => None,
        };
        // No two in a row say that somebody came in.
        let asked = match &vouched.email {
            Some(email) => ctx.store.login_requests(email, 2).await?,
            None => Vec::new(),
        };
        let bootstrap = match &vouched.email {
            Some(email) => {
                let permission = bootstrap(ctx, email, user.as_ref()).await?;
                permission.map(|permission| (email.clone(), permission))
            }
            None => None,
        };
        Ok(Self { user, latest, asked, bootstrap })
    }

    /// Where the address wanted to go when it last asked for a link that still works.
    fn return_to(&self, ctx: &Ctx) -> Option<ReturnTo> {
        let last = self.asked.iter().find(|asked| !asked.came_in)?;
        if works(ctx, last, ctx.now()) { last.return_to.clone() } else { None }
    }
}

/// Whether the link that was asked for works at a time.
fn works(ctx: &Ctx, request: &LoginRequest, at: Timestamp) -> bool {
    at < request.at + Duration::from_secs(u64::from(ctx.policy.login_minutes) * 60)
}

/// Where a link that has let this person in led to then, as far as that is still known.
pub async fn led_to(
    ctx: &Ctx,
    token: TokenHash,
    user: &User,
) -> Result<Option<ReturnTo>, StoreError> {
    const RECENT: u64 = 20;
    let Some(link) = ctx.store.used_link(token).await? else { return Ok(None) };
    let requests = ctx.store.login_requests(&user.email, RECENT).await?;
    let asked = requests.into_iter().find(|request| !request.came_in && request.at <= link.at);
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

fn judge(ctx: &Ctx, known: &Known) -> Result<Entry, AcceptError> {
    let status = known.user.as_ref().map(|user| user.status);
    match status {
        Some(UserStatus::Suspended) => return Err(AcceptError::AccountSuspended),
        Some(UserStatus::Deleting) => return Err(AcceptError::NotInvited),
        Some(UserStatus::Active | UserStatus::Invited) | None => {}
    }
    let latest = known.latest.as_ref();
    if let Some((email, permission)) = &known.bootstrap {
        return Ok(admin(ctx, known, email, *permission));
    }
    let Some(user) = known.user.clone() else { return Err(AcceptError::NotInvited) };
    let accepts = match (status, latest) {
        (Some(UserStatus::Active), _) => None,
        (_, Some(latest)) => Some(acceptable(latest, ctx.now())?.clone()),
        (_, None) => return Err(AcceptError::NotInvited),
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
        Some(open) if open.admits(ctx.now()) => (Some(open), None),
        ended => (None, ended),
    };
    Entry { user, is_new, bootstrap: Some(permission), accepts, leaves }
}

fn acceptable(latest: &Invitation, now: Timestamp) -> Result<&Invitation, AcceptError> {
    if latest.admits(now) {
        return Ok(latest);
    }
    Err(match latest.status {
        InvitationStatus::Revoked => AcceptError::InvitationRevoked,
        InvitationStatus::Expired | InvitationStatus::Queued | InvitationStatus::Sent => {
            AcceptError::LinkExpired
        }
        InvitationStatus::Accepted | InvitationStatus::Failed => AcceptError::NotInvited,
    })
}

fn enter(
    ctx: &Ctx,
    press: &Press,
    vouched: &Vouched,
    asked: Option<ReturnTo>,
    entry: Entry,
) -> (CameIn, Change) {
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
    user.stytch_user_id = Some(vouched.session.stytch_user_id.clone());
    user.last_seen_at = Some(now);
    let session = begin(ctx, press, vouched, user.id);
    change = change.event(started(ctx, &user, &session));
    change.sessions.push(session.clone());
    let token_hash = TokenHash::of(&press.token);
    change.used_links.push(UsedLink { token_hash, user_id: Some(user.id), at: now });
    change =
        if is_new { change.insert_user(user.clone()) } else { change.update_user(user.clone()) };
    (CameIn { user, session, tokens: vouched.tokens.clone(), return_to }, change)
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

fn begin(ctx: &Ctx, press: &Press, vouched: &Vouched, user_id: UserId) -> Session {
    const USER_AGENT: usize = 400;
    let now = ctx.now();
    let user_agent = press.browser.user_agent.as_ref();
    Session {
        id: SessionId(ctx.ids.next()),
        user_id,
        stytch_session_id: vouched.session.stytch_session_id.clone(),
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

/// The browser's earlier session ends: a session that somebody else planted there gains nothing.
async fn replaced(ctx: &Ctx, change: Change, old: &Session) -> Result<Change, StoreError> {
    let now = ctx.store.session(old.id).await?;
    let holder = ctx.store.user(old.user_id).await?;
    let (Some(holder), true) = (holder, now.is_some_and(|now| now.is_live(ctx.now()))) else {
        return Ok(change);
    };
    let by = &Actor::of(&holder);
    let ending = Ending { which: Which::One(old.id), reason: EndReason::Replaced, by };
    Ok(end(ctx, change, &holder, std::slice::from_ref(old), ending))
}

/// The link is used up and Stytch has made a session: neither may be of use to anybody.
fn refuse(
    ctx: &Ctx,
    hash: TokenHash,
    vouched: &Vouched,
    known: &Known,
    refusal: &AcceptError,
) -> Change {
    let job = RevokeSession::of(&vouched.session.stytch_session_id).into_job(ctx);
    let mut change = Change::new().job(job);
    change.used_links.push(UsedLink { token_hash: hash, user_id: None, at: ctx.now() });
    if let Some(user) = &known.user {
        let mut event = ctx.user_event(EventKind::LoginRefused, user, &Actor::of(user));
        event.detail = json!({ "why": refusal.to_string() });
        change = change.event(event);
    }
    change
}
