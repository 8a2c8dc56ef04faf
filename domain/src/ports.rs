//! What the domain needs of the world: somewhere to keep things, somebody to send and to vouch.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    ApiKey, ApiKeyId, Change, Email, Event, GuardName, Invitation, InvitationId, InvitationStatus,
    JobId, LoginRequest, LoginRequestId, Name, QueuedJob, Reconciliation, Role, Session, SessionId,
    TokenHash, Tombstone, UsedLink, User, UserId, UserStatus, Verdict,
};

/// Why the store could not answer.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database can't be reached or is too busy; try again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A row holds what no version of this program wrote.
    #[error("{table}.{column} of {id} is corrupt")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// Which row.
        id: String,
    },
    /// A mistake in this program, e.g. a statement that the database does not understand.
    #[error("the database refused: {0}")]
    Bug(String),
}

impl StoreError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

type Answer<T> = Result<T, StoreError>;

/// A piece of a list, newest first: what comes after `after`, at most `limit` rows.
#[derive(Debug, Clone, Copy)]
pub struct Page<Id> {
    /// The last id of the piece before.
    pub after: Option<Id>,
    /// How many, at most.
    pub limit: u64,
}

/// Which users.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// The address or name begins with this, in any case.
    pub q: Option<String>,
    /// With this role.
    pub role: Option<Role>,
    /// With this status.
    pub status: Option<UserStatus>,
}

/// Which invitations.
#[derive(Debug, Clone, Default)]
pub struct InvitationFilter {
    /// The address begins with this, in any case.
    pub q: Option<String>,
    /// With this status.
    pub status: Option<InvitationStatus>,
}

/// Finds people.
#[async_trait]
pub trait ReadUsers {
    /// By id.
    async fn user(&self, id: UserId) -> Answer<Option<User>>;
    /// By address.
    async fn user_by_email(&self, email: &Email) -> Answer<Option<User>>;
    /// By identity at Stytch.
    async fn user_by_stytch_id(&self, stytch_user_id: &str) -> Answer<Option<User>>;
    /// A piece of the list, newest first.
    async fn users(&self, filter: &UserFilter, page: Page<UserId>) -> Answer<Vec<User>>;
    /// How many administrators can act as one.
    async fn count_active_admins(&self) -> Answer<u64>;
    /// Where a guard stands; 0 when it was never raised.
    async fn guard(&self, name: GuardName) -> Answer<i64>;
}

/// Finds invitations.
#[async_trait]
pub trait ReadInvitations {
    /// By id.
    async fn invitation(&self, id: InvitationId) -> Answer<Option<Invitation>>;
    /// The newest one of a person.
    async fn latest_invitation(&self, user: UserId) -> Answer<Option<Invitation>>;
    /// The newest one of each of these people who has any.
    async fn latest_invitations(&self, users: &[UserId]) -> Answer<Vec<Invitation>> {
        let mut found = Vec::new();
        for user in users {
            found.extend(self.latest_invitation(*user).await?);
        }
        Ok(found)
    }
    /// All of a person, newest first.
    async fn invitations_of(&self, user: UserId) -> Answer<Vec<Invitation>>;
    /// A piece of the list, newest first.
    async fn invitations(
        &self,
        filter: &InvitationFilter,
        page: Page<InvitationId>,
    ) -> Answer<Vec<Invitation>>;
    /// What happened to one, oldest first.
    async fn timeline(&self, id: InvitationId) -> Answer<Vec<Event>>;
    /// Open ones whose time ran out before `now`, at most `limit`.
    async fn overdue_invitations(&self, now: Timestamp, limit: u64) -> Answer<Vec<Invitation>>;
}

/// Finds sessions, and what stands around coming in.
#[async_trait]
pub trait ReadSessions {
    /// By the session token, with its holder. Ended ones too.
    async fn session_by_token(&self, token: TokenHash) -> Answer<Option<(Session, User)>>;
    /// By Stytch's id, with its holder. Ended ones too.
    async fn session_by_stytch_id(&self, id: &str) -> Answer<Option<(Session, User)>>;
    /// Whether a session token was ever given out here and its row is not swept, whoever had it.
    async fn knows_session(&self, token: TokenHash) -> Answer<bool> {
        Ok(self.session_by_token(token).await?.is_some())
    }
    /// One of ours.
    async fn session(&self, id: SessionId) -> Answer<Option<Session>>;
    /// A person's sessions that are live at `now`, newest first.
    async fn live_sessions(&self, user: UserId, now: Timestamp) -> Answer<Vec<Session>>;
    /// A piece of that list.
    async fn sessions(
        &self,
        user: UserId,
        now: Timestamp,
        page: Page<SessionId>,
    ) -> Answer<Vec<Session>>;
    /// Whether a link was used.
    async fn used_link(&self, token: TokenHash) -> Answer<Option<UsedLink>>;
    /// One asking for a login link.
    async fn login_request(&self, id: LoginRequestId) -> Answer<Option<LoginRequest>>;
    /// The last `limit` askings of an address, newest first.
    async fn login_requests(&self, email: &Email, limit: u64) -> Answer<Vec<LoginRequest>>;
}

/// Finds API keys.
#[async_trait]
pub trait ReadKeys {
    /// By its secret.
    async fn api_key_by_hash(&self, hash: TokenHash) -> Answer<Option<ApiKey>>;
    /// By id.
    async fn api_key(&self, id: ApiKeyId) -> Answer<Option<ApiKey>>;
    /// All of them, newest first.
    async fn api_keys(&self) -> Answer<Vec<ApiKey>>;
}

/// Finds jobs.
#[async_trait]
pub trait ReadJobs {
    /// By id.
    async fn job(&self, id: JobId) -> Answer<Option<QueuedJob>>;
    /// When the first attempt of a job began that was lost with its worker, of those since then.
    async fn lost_since(&self, id: JobId, since: Timestamp) -> Answer<Option<Timestamp>>;
}

/// Finds what a comparison with Stytch needs, many at a time.
#[async_trait]
pub trait ReadReconciliation {
    /// Users by id, oldest first, after that one.
    async fn users_from(&self, after: Option<UserId>, limit: u64) -> Answer<Vec<User>>;
    /// Those who have one of these identities.
    async fn users_by_stytch_ids(&self, ids: &[String]) -> Answer<Vec<User>>;
    /// Those who have one of these addresses.
    async fn users_by_emails(&self, emails: &[Email]) -> Answer<Vec<User>>;
    /// Of these identities, those of people who were removed.
    async fn tombstones(&self, ids: &[String]) -> Answer<Vec<Tombstone>>;
    /// The newest comparison that came to its end.
    async fn last_reconciliation(&self) -> Answer<Option<Reconciliation>>;
}

/// A use of a session or key, to be noted to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// A request with a session.
    Session {
        /// Which.
        session: SessionId,
        /// Whose.
        user: UserId,
    },
    /// A request with an API key.
    Key(ApiKeyId),
}

/// What old rows a sweep deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Sessions whose time ran out.
    Sessions,
    /// Used links, whose like Stytch itself has long forgotten.
    UsedLinks,
    /// Askings for login links that no limit counts any more.
    LoginRequests,
    /// Answers kept for `Idempotency-Key`.
    IdempotencyKeys,
}

/// Keeps everything.
#[async_trait]
pub trait Store:
    ReadUsers + ReadInvitations + ReadSessions + ReadKeys + ReadJobs + ReadReconciliation + Send + Sync
{
    /// Applies a change. All of it happens, durably, or none of it.
    ///
    /// MUST answer [`Verdict::Conflict`] when something that the change expected is not so, and
    /// MUST NOT let one change's conflict disturb another's.
    async fn apply(&self, change: Change) -> Answer<Verdict>;

    /// Notes uses. Losing one is harmless.
    async fn note_seen(&self, seen: &[Seen], at: Timestamp) -> Answer<()>;

    /// Deletes at most `limit` rows that were stale before `before`; answers how many.
    async fn delete_stale(&self, what: Stale, before: Timestamp, limit: u64) -> Answer<u64>;

    /// Whether the database can be reached and holds the schema.
    async fn ready(&self) -> Answer<()>;
}

/// What Stytch, or the way to it, has against a call.
#[derive(Debug, Clone, Error)]
#[error("{code}: {message}")]
pub struct ProviderError {
    /// What the caller can do.
    pub kind: ProviderErrorKind,
    /// Stytch's `error_type`; else `timeout`, `connect`, `bad_answer` or `http_<status>`.
    pub code: String,
    /// For operators.
    pub message: String,
    /// Stytch's, to ask them about.
    pub request_id: Option<String>,
}

impl ProviderError {
    /// Whether asking for the same again, soon, can't help.
    pub fn is_for_good(&self) -> bool {
        matches!(self.kind, ProviderErrorKind::Rejected | ProviderErrorKind::Misconfigured)
    }

    /// Whether it says nothing of other requests than this one.
    pub fn is_about_one(&self) -> bool {
        self.kind == ProviderErrorKind::Rejected
    }
}

/// What a caller can do about a [`ProviderError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderErrorKind {
    /// Nothing: this request will always be refused.
    Rejected,
    /// Wait, at least this long where it was said.
    RateLimited(Option<Duration>),
    /// Try again: nothing was done.
    Unavailable,
    /// Try again where doing it twice is harmless: the answer was lost, it may have been done.
    Doubtful,
    /// Mend the configuration: credentials, redirect URLs, the account.
    Misconfigured,
}

/// A mail that Stytch took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The identity that the address has there.
    pub stytch_user_id: String,
    /// Stytch's id of the call.
    pub request_id: Option<String>,
}

/// Somebody whom Stytch knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is there.
    pub stytch_user_id: String,
    /// Since when; none where it was not said.
    pub created_at: Option<Timestamp>,
}

/// Somebody as Stytch describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Who it is there.
    pub stytch_user_id: String,
    /// Their addresses, as far as they are addresses to us.
    pub emails: Vec<Email>,
    /// Whether they can come in there by anything else: a password, a phone, another provider, an
    /// address that is none to us.
    pub has_other_ways_in: bool,
    /// Whether they ever did.
    pub status: ProfileStatus,
    /// Since when they are known there.
    pub created_at: Option<Timestamp>,
}

/// Whether somebody ever came in at Stytch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileStatus {
    /// Not yet.
    Pending,
    /// They did, or were made so.
    Active,
    /// It says something else.
    Unknown,
}

/// A part of the list of all whom Stytch knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityPage {
    /// Some of them.
    pub profiles: Vec<Profile>,
    /// Where the next part begins, if there is one.
    pub next: Option<String>,
}

/// An invitation as Stytch is asked to send it.
#[derive(Debug, Clone)]
pub struct InviteMail {
    /// To whom.
    pub email: Email,
    /// What to call them.
    pub name: Option<Name>,
    /// Where the link leads.
    pub redirect_url: String,
    /// How long it works, 5 to 10080.
    pub expires_in_minutes: u32,
}

/// A login link as Stytch is asked to send it.
#[derive(Debug, Clone)]
pub struct LoginMail {
    /// To whom.
    pub email: Email,
    /// Where the link leads.
    pub redirect_url: String,
    /// How long it works, 5 to 10080.
    pub expires_in_minutes: u32,
}

/// A session as Stytch tells it.
#[derive(Debug, Clone)]
pub struct ProviderSession {
    /// Stytch's id.
    pub stytch_session_id: String,
    /// Whose it is there.
    pub stytch_user_id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A session's secrets. `Debug` shows neither.
#[derive(Clone)]
pub struct Tokens {
    /// Opaque; lasts as long as the session.
    pub session_token: String,
    /// Signed; lasts five minutes.
    pub session_jwt: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// Somebody whom Stytch vouches for.
#[derive(Debug, Clone)]
pub struct Vouched {
    /// Their session.
    pub session: ProviderSession,
    /// Its secrets.
    pub tokens: Tokens,
    /// The address that the link was sent to.
    pub email: Option<Email>,
}

/// What a session JWT of good signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtClaims {
    /// Which session.
    pub stytch_session_id: String,
    /// When the session ends.
    pub session_expires_at: Timestamp,
    /// Whether the JWT's own five minutes are over.
    pub is_expired: bool,
}

/// Why a JWT was not read.
#[derive(Debug, Clone, Error)]
pub enum JwtError {
    /// It is not a JWT of ours: signature, audience, issuer, type or form.
    #[error("the session JWT is invalid")]
    Invalid,
    /// The keys to check it with can't be had.
    #[error("the keys for session JWTs are unavailable")]
    KeysUnavailable,
}

/// Sends links and vouches for those who press them: Stytch.
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// Sends an invitation. Twice is two mails.
    async fn send_invite(&self, mail: &InviteMail) -> Result<Delivered, ProviderError>;
    /// Sends a login link. Twice is two mails.
    async fn send_login(&self, mail: &LoginMail) -> Result<Delivered, ProviderError>;
    /// Makes the links of an address's invitations worthless. That none is there is success.
    async fn revoke_invite(&self, email: &Email) -> Result<(), ProviderError>;
    /// Uses a link up. MUST NOT be repeated once it may have reached Stytch.
    async fn authenticate_link(&self, token: &str, minutes: u32) -> Result<Vouched, ProviderError>;
    /// A fresh JWT for a session, which MUST NOT become longer by it.
    async fn refresh_session(&self, session_token: &str) -> Result<Vouched, ProviderError>;
    /// Ends a session. That none is there is success.
    async fn revoke_session(&self, stytch_session_id: &str) -> Result<(), ProviderError>;
    /// Deletes an identity. That none is there is success.
    async fn delete_user(&self, stytch_user_id: &str) -> Result<(), ProviderError>;
    /// The identity of an address. Slow, and few a minute are allowed: what is asked for at about
    /// the same time SHOULD be one search.
    async fn find_user(&self, email: &Email) -> Result<Option<Identity>, ProviderError>;
    /// A part of the list of all identities, from a cursor on. Slow, and paced with searches.
    ///
    /// MUST fail rather than leave anybody out, or end before the end.
    async fn identities(&self, cursor: Option<&str>) -> Result<IdentityPage, ProviderError>;
    /// One identity, as it is now; none where Stytch says that it knows none.
    async fn identity(&self, stytch_user_id: &str) -> Result<Option<Profile>, ProviderError>;
    /// Reads a session JWT whose signature, issuer and audience are good, by cached keys.
    async fn verify_jwt(&self, session_jwt: &str) -> Result<JwtClaims, JwtError>;
}
