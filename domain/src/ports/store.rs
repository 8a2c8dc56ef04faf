//! The database: queries, and the atomic application of changes.

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    ApiKey, ApiKeyId, Change, Cursor, Email, Event, GuardName, Invitation, InvitationFilter,
    InvitationId, JobId, LoginRequest, LoginRequestId, Page, QueuedJob, Reconciliation, Session,
    SessionId, TokenHash, Tombstone, UsedLink, User, UserFilter, UserId, Verdict,
};

#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// The database is unreachable or too busy. Retry later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A row contains a value that no version of Guestlist writes.
    #[error("{table}.{column} of {id} is corrupt")]
    Corrupt { table: &'static str, column: &'static str, id: String },
    /// A bug in Guestlist, e.g. a statement that the database rejects.
    #[error("the database rejected a statement: {0}")]
    Bug(String),
}

impl StoreError {
    /// Returns whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

pub type StoreResult<T> = Result<T, StoreError>;

#[async_trait]
pub trait ReadUsers {
    async fn user(&self, id: UserId) -> StoreResult<Option<User>>;
    async fn user_by_email(&self, email: &Email) -> StoreResult<Option<User>>;
    async fn user_by_provider_id(&self, provider_user_id: &str) -> StoreResult<Option<User>>;
    /// Returns a page of users, newest first. A search returns matches by address in the order of
    /// addresses, then other matches in the order of names.
    async fn users(
        &self,
        filter: &UserFilter,
        page: Page<Cursor<UserId>>,
    ) -> StoreResult<Vec<User>>;
    async fn was_removed(&self, email: &Email) -> StoreResult<bool>;
    async fn count_active_admins(&self) -> StoreResult<u64>;
    /// Returns the value of a guard; 0 if it was never incremented.
    async fn guard(&self, name: GuardName) -> StoreResult<i64>;
}

#[async_trait]
pub trait ReadInvitations {
    async fn invitation(&self, id: InvitationId) -> StoreResult<Option<Invitation>>;
    async fn latest_invitation(&self, user: UserId) -> StoreResult<Option<Invitation>>;
    /// Returns the newest invitation of each user who has any.
    async fn latest_invitations(&self, users: &[UserId]) -> StoreResult<Vec<Invitation>> {
        let mut found = Vec::new();
        for user in users {
            found.extend(self.latest_invitation(*user).await?);
        }
        Ok(found)
    }
    /// Returns all invitations of a user, newest first.
    async fn invitations_of(&self, user: UserId) -> StoreResult<Vec<Invitation>>;
    /// Returns a page of invitations, newest first. A search returns them in the order of addresses,
    /// and the newest of each address first.
    async fn invitations(
        &self,
        filter: &InvitationFilter,
        page: Page<Cursor<InvitationId>>,
    ) -> StoreResult<Vec<Invitation>>;
    /// Returns the events of an invitation, oldest first.
    async fn timeline(&self, id: InvitationId) -> StoreResult<Vec<Event>>;
    /// Returns up to `limit` open invitations that expired before `now`.
    async fn overdue_invitations(&self, now: Timestamp, limit: u64)
    -> StoreResult<Vec<Invitation>>;
}

/// Queries of sessions, used links and login requests.
#[async_trait]
pub trait ReadSessions {
    /// Returns a session with its user, even if the session has ended.
    async fn session_by_token(&self, token: TokenHash) -> StoreResult<Option<(Session, User)>>;
    /// Returns a session with its user, even if the session has ended.
    async fn session_by_provider_id(&self, id: &str) -> StoreResult<Option<(Session, User)>>;
    /// Returns whether a session with this token is stored, even if its user is not.
    async fn is_known_session_token(&self, token: TokenHash) -> StoreResult<bool> {
        Ok(self.session_by_token(token).await?.is_some())
    }
    async fn session(&self, id: SessionId) -> StoreResult<Option<Session>>;
    /// Returns the sessions of a user that are live at `now`, newest first.
    async fn live_sessions(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>>;
    /// Returns a page of [`live_sessions`](Self::live_sessions).
    async fn sessions(
        &self,
        user: UserId,
        now: Timestamp,
        page: Page<SessionId>,
    ) -> StoreResult<Vec<Session>>;
    async fn used_link(&self, token: TokenHash) -> StoreResult<Option<UsedLink>>;
    async fn login_request(&self, id: LoginRequestId) -> StoreResult<Option<LoginRequest>>;
    /// Returns up to `limit` login requests of an address, newest first.
    async fn login_requests(&self, email: &Email, limit: u64) -> StoreResult<Vec<LoginRequest>>;
    /// Returns whether the address has a login request with a higher ordinal whose mail is due.
    async fn has_newer_due_login_request(
        &self,
        email: &Email,
        ordinal: i64,
        now: Timestamp,
    ) -> StoreResult<bool>;
}

#[async_trait]
pub trait ReadKeys {
    async fn api_key_by_hash(&self, hash: TokenHash) -> StoreResult<Option<ApiKey>>;
    async fn api_key(&self, id: ApiKeyId) -> StoreResult<Option<ApiKey>>;
    /// Returns all API keys, newest first.
    async fn api_keys(&self) -> StoreResult<Vec<ApiKey>>;
}

#[async_trait]
pub trait ReadJobs {
    async fn job(&self, id: JobId) -> StoreResult<Option<QueuedJob>>;
    /// Returns the start of the job's first attempt since `since` whose worker stopped before it
    /// settled the job.
    async fn first_lost_attempt(
        &self,
        id: JobId,
        since: Timestamp,
    ) -> StoreResult<Option<Timestamp>>;
}

/// Batch queries for reconciliation.
#[async_trait]
pub trait ReadReconciliation {
    /// Returns up to `limit` users in the order of their ids, starting after `after`.
    async fn users_from(&self, after: Option<UserId>, limit: u64) -> StoreResult<Vec<User>>;
    async fn users_by_provider_ids(&self, ids: &[String]) -> StoreResult<Vec<User>>;
    async fn users_by_emails(&self, emails: &[Email]) -> StoreResult<Vec<User>>;
    async fn tombstones(&self, ids: &[String]) -> StoreResult<Vec<Tombstone>>;
    async fn last_reconciliation(&self) -> StoreResult<Option<Reconciliation>>;
}

/// A use of a session or API key, recorded to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Usage {
    Session { session: SessionId, user: UserId },
    Key(ApiKeyId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkClaim {
    /// The link was not claimed.
    Granted,
    /// An earlier claim expired without having been released.
    TakenOver,
    /// Another claim is in force.
    Held,
}

/// Rows that are deleted after a retention period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiredRows {
    Sessions,
    UsedLinks,
    /// Expired claims of links.
    LinkClaims,
    LoginRequests,
    /// Responses stored for `Idempotency-Key`.
    IdempotencyKeys,
}

#[async_trait]
pub trait Store:
    ReadUsers + ReadInvitations + ReadSessions + ReadKeys + ReadJobs + ReadReconciliation + Send + Sync
{
    /// Applies a change atomically and durably.
    ///
    /// MUST return [`Verdict::Conflict`] if an expectation of the change does not hold, and MUST NOT
    /// let a conflict of one change affect another.
    async fn apply(&self, change: Change) -> StoreResult<Verdict>;

    /// Claims a link until `until`. Of concurrent callers, in any number of processes, exactly one MUST
    /// succeed. A claim that lasts longer than any claim made at `now` could was made by a clock that
    /// was ahead, and is taken over.
    async fn claim_link(
        &self,
        token: TokenHash,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<LinkClaim>;

    /// Releases a claim that was granted until `until`. Succeeds if there is none.
    async fn release_link(&self, token: TokenHash, until: Timestamp) -> StoreResult<()>;

    /// Records the time of uses. Losing a record is harmless.
    async fn record_usage(&self, seen: &[Usage], at: Timestamp) -> StoreResult<()>;

    /// Deletes up to `limit` rows that expired before `before`. Returns the number of deleted rows.
    async fn delete_expired(
        &self,
        what: ExpiredRows,
        before: Timestamp,
        limit: u64,
    ) -> StoreResult<u64>;

    /// Checks that the database is reachable and has the schema.
    async fn ready(&self) -> StoreResult<()>;
}
