//! The identity provider, which sends links, authenticates them and issues sessions.

use std::ops::RangeInclusive;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{Email, Name};

/// The supported lifetimes of a link, in minutes. Source: Stytch's `*_expiration_minutes` parameters.
pub const LINK_MINUTES: RangeInclusive<u32> = 5..=10_080;

#[derive(Debug, Clone, Error)]
#[error("{code}: {message}")]
pub struct ProviderError {
    pub kind: ProviderErrorKind,
    /// The provider's error code; otherwise `timeout`, `connect`, `reset`, `invalid_response` or
    /// `http_<status>`. For display only: decisions depend on the kind.
    pub code: String,
    pub message: String,
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
}

/// What a caller can do about a [`ProviderError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderErrorKind {
    /// Nothing: the same request will be rejected again.
    Rejected,
    /// Send a login link instead of an invitation: the address belongs to an identity that has logged
    /// in before.
    AddressTaken,
    /// Request a new link: the link was used before, or has expired.
    LinkUsedOrExpired,
    /// Log in again: the session does not exist or has ended.
    SessionNotFound,
    /// Wait, for at least the given time.
    RateLimited(Option<Duration>),
    /// Send no bulk mail for at least the given time, because too few of the links that were sent have
    /// led to a login.
    BulkMailLimited(Option<Duration>),
    /// Try again: the call had no effect.
    Unavailable,
    /// Try again only if repeating the call is harmless: the answer was lost, and the call may have
    /// had its effect.
    Doubtful,
    /// Correct the configuration: credentials, redirect URLs, or the account.
    Misconfigured,
}

impl ProviderErrorKind {
    /// Returns whether the request itself was rejected. The error then says nothing about other
    /// requests.
    pub fn is_rejection(self) -> bool {
        matches!(
            self,
            Self::Rejected | Self::AddressTaken | Self::LinkUsedOrExpired | Self::SessionNotFound
        )
    }

    /// Returns whether the provider limits the rate of calls.
    pub fn is_rate_limit(self) -> bool {
        matches!(self, Self::RateLimited(_) | Self::BulkMailLimited(_))
    }
}

/// A mail that the provider accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMail {
    /// The identity of the address.
    pub provider_user_id: String,
    pub request_id: Option<String>,
}

/// An identity that was found by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub provider_user_id: String,
    /// `None` if the provider did not say.
    pub created_at: Option<Timestamp>,
}

/// An identity in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub provider_user_id: String,
    /// The identity's addresses, except those that [`Email`] rejects.
    pub emails: Vec<Email>,
    /// Whether the identity can log in by other means than these addresses, such as a password, a
    /// phone number, or another identity provider.
    pub has_other_login_methods: bool,
    pub status: ProfileStatus,
    pub created_at: Option<Timestamp>,
}

/// Whether an identity has ever logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileStatus {
    /// Never.
    Pending,
    /// It has logged in, or was created as active.
    Active,
    /// The provider reported another status.
    Unknown,
}

/// A webhook event: an identity was created, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityEvent {
    /// The event's id, equal in all deliveries of the event.
    pub message_id: String,
    pub provider_user_id: String,
    /// The identity at the time of the event; `None` if it was deleted.
    pub profile: Option<Profile>,
}

/// A page of the list of all identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityPage {
    pub profiles: Vec<Profile>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
}

#[derive(Debug, Clone)]
pub struct InviteMail {
    pub email: Email,
    pub name: Option<Name>,
    pub redirect_url: String,
    /// Within [`LINK_MINUTES`].
    pub expires_in_minutes: u32,
}

#[derive(Debug, Clone)]
pub struct LoginMail {
    pub email: Email,
    pub redirect_url: String,
    /// Within [`LINK_MINUTES`].
    pub expires_in_minutes: u32,
}

/// A session at the provider.
#[derive(Debug, Clone)]
pub struct ProviderSession {
    pub provider_session_id: String,
    pub provider_user_id: String,
    pub started_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A session's secrets. `Debug` masks them.
#[derive(Clone)]
pub struct Tokens {
    /// Opaque; valid as long as the session.
    pub session_token: String,
    /// Signed; valid for five minutes.
    pub session_jwt: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// A session that the provider has authenticated, with its secrets.
#[derive(Debug, Clone)]
pub struct AuthenticatedSession {
    pub session: ProviderSession,
    pub tokens: Tokens,
    /// The address to which the link was sent.
    pub email: Option<Email>,
}

/// The claims of a session JWT with a valid signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtClaims {
    pub provider_session_id: String,
    pub session_expires_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, Error)]
pub enum JwtError {
    /// The signature, audience, issuer, type or form is wrong.
    #[error("the session JWT is invalid")]
    Invalid,
    /// The verification keys could not be loaded.
    #[error("the keys for session JWTs are unavailable")]
    KeysUnavailable,
}

#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// Sends an invitation. Repeating the call sends another mail.
    async fn send_invite(&self, mail: &InviteMail) -> Result<SentMail, ProviderError>;
    /// Sends a login link. Repeating the call sends another mail.
    async fn send_login(&self, mail: &LoginMail) -> Result<SentMail, ProviderError>;
    /// Invalidates the invitation links of an address. Succeeds if there are none.
    async fn revoke_invite(&self, email: &Email) -> Result<(), ProviderError>;
    /// Authenticates a link's token, which consumes it, and starts a session of `minutes`. MUST NOT be
    /// retried once the request may have reached the provider.
    async fn authenticate_link(
        &self,
        token: &str,
        minutes: u32,
    ) -> Result<AuthenticatedSession, ProviderError>;
    /// Issues a new JWT for a session. MUST NOT extend the session.
    async fn refresh_session(
        &self,
        session_token: &str,
    ) -> Result<AuthenticatedSession, ProviderError>;
    /// Ends a session. Succeeds if it does not exist.
    async fn revoke_session(&self, provider_session_id: &str) -> Result<(), ProviderError>;
    /// Deletes an identity. Succeeds if it does not exist.
    async fn delete_user(&self, provider_user_id: &str) -> Result<(), ProviderError>;
    /// Finds the identity of an address. Searches are slow and limited to a few per minute:
    /// implementations SHOULD combine concurrent calls in one search.
    async fn find_user(&self, email: &Email) -> Result<Option<Identity>, ProviderError>;
    /// Lists identities, one page at a time. Shares the rate of searches.
    ///
    /// MUST fail rather than omit an identity or end early.
    async fn identities(&self, cursor: Option<&str>) -> Result<IdentityPage, ProviderError>;
    /// Loads one identity. Returns `None` only if the provider says that it does not exist.
    async fn identity(&self, provider_user_id: &str) -> Result<Option<Profile>, ProviderError>;
    /// Verifies a session JWT with cached keys, without calling the provider.
    async fn verify_jwt(&self, session_jwt: &str) -> Result<JwtClaims, JwtError>;
}
