//! Somewhere to keep things: the database.

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    ApiKey, ApiKeyId, Change, Cursor, Email, Event, GuardName, Invitation, InvitationFilter,
    InvitationId, JobId, LoginRequest, LoginRequestId, Page, QueuedJob, Reconciliation, Session,
    SessionId, TokenHash, Tombstone, UsedLink, User, UserFilter, UserId, Verdict,
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

/// Finds people.
#[async_trait]
pub trait ReadUsers {
    /// By id.
    async fn user(&self, id: UserId) -> Answer<Option<User>>;
    /// By address.
    async fn user_by_email(&self, email: &Email) -> Answer<Option<User>>;
    /// By identity at Stytch.
    async fn user_by_provider_id(&self, provider_user_id: &str) -> Answer<Option<User>>;
    /// A piece of the list, newest first; of a search, those whose address begins so by address,
    /// and then the others by name.
    async fn users(&self, filter: &UserFilter, page: Page<Cursor<UserId>>) -> Answer<Vec<User>>;
    /// Whether a user with this address was removed.
    async fn was_removed(&self, email: &Email) -> Answer<bool>;
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
    /// A piece of the list, newest first; of a search, by address, the newest of each first.
    async fn invitations(
        &self,
        filter: &InvitationFilter,
        page: Page<Cursor<InvitationId>>,
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
    async fn session_by_provider_id(&self, id: &str) -> Answer<Option<(Session, User)>>;
    /// Whether a session token was ever given out here and its row is not swept, whoever had it.
    async fn is_known_session_token(&self, token: TokenHash) -> Answer<bool> {
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
    /// Whether an address has a request with a higher ordinal whose mail is due at that time.
    async fn has_newer_due_login_request(
        &self,
        email: &Email,
        ordinal: i64,
        now: Timestamp,
    ) -> Answer<bool>;
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
    async fn first_lost_attempt(&self, id: JobId, since: Timestamp) -> Answer<Option<Timestamp>>;
}

/// Finds what a comparison with Stytch needs, many at a time.
#[async_trait]
pub trait ReadReconciliation {
    /// Users by id, oldest first, after that one.
    async fn users_from(&self, after: Option<UserId>, limit: u64) -> Answer<Vec<User>>;
    /// Those who have one of these identities.
    async fn users_by_provider_ids(&self, ids: &[String]) -> Answer<Vec<User>>;
    /// Those who have one of these addresses.
    async fn users_by_emails(&self, emails: &[Email]) -> Answer<Vec<User>>;
    /// Of these identities, those of people who were removed.
    async fn tombstones(&self, ids: &[String]) -> Answer<Vec<Tombstone>>;
    /// The newest comparison that came to its end.
    async fn last_reconciliation(&self) -> Answer<Option<Reconciliation>>;
}

/// A use of a session or key, to be noted to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Usage {
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

/// What became of an attempt to claim a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkClaim {
    /// Nobody had it.
    Granted,
    /// Somebody had it, and has neither ended the claim nor renewed it.
    TakenOver,
    /// Somebody has it.
    Held,
}

/// What old rows a sweep deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiredRows {
    /// Sessions whose time ran out.
    Sessions,
    /// Used links, whose like Stytch itself has long forgotten.
    UsedLinks,
    /// Claims of links whose time ran out.
    LinkClaims,
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

    /// Claims a link until a time. Of any number of callers at once, in any number of processes,
    /// one MUST get it.
    async fn claim_link(
        &self,
        token: TokenHash,
        now: Timestamp,
        until: Timestamp,
    ) -> Answer<LinkClaim>;

    /// Ends a claim that was granted until that time; none is there is success.
    async fn release_link(&self, token: TokenHash, until: Timestamp) -> Answer<()>;

    /// Notes uses. Losing one is harmless.
    async fn record_usage(&self, seen: &[Usage], at: Timestamp) -> Answer<()>;

    /// Deletes at most `limit` rows that were stale before `before`; answers how many.
    async fn delete_expired(&self, what: ExpiredRows, before: Timestamp, limit: u64)
    -> Answer<u64>;

    /// Whether the database can be reached and holds the schema.
    async fn ready(&self) -> Answer<()>;
}
