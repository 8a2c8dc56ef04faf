//! Somebody to send and to vouch: Stytch.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{Email, Name};

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
    pub fn is_permanent(&self) -> bool {
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
pub struct SentMail {
    /// The identity that the address has there.
    pub provider_user_id: String,
    /// Stytch's id of the call.
    pub request_id: Option<String>,
}

/// Somebody whom Stytch knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is there.
    pub provider_user_id: String,
    /// Since when; none where it was not said.
    pub created_at: Option<Timestamp>,
}

/// Somebody as Stytch describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Who it is there.
    pub provider_user_id: String,
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

/// What Stytch tells by itself of somebody it knows: that they were made, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityEvent {
    /// Stytch's id of it; the same when it is told again.
    pub message_id: String,
    /// Whom it is about.
    pub provider_user_id: String,
    /// How they were then; none once they are deleted.
    pub profile: Option<Profile>,
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
    pub provider_session_id: String,
    /// Whose it is there.
    pub provider_user_id: String,
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
pub struct AuthenticatedSession {
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
    pub provider_session_id: String,
    /// When the session ends.
    pub session_expires_at: Timestamp,
    /// When the JWT's own five minutes are over.
    pub expires_at: Timestamp,
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
    async fn send_invite(&self, mail: &InviteMail) -> Result<SentMail, ProviderError>;
    /// Sends a login link. Twice is two mails.
    async fn send_login(&self, mail: &LoginMail) -> Result<SentMail, ProviderError>;
    /// Makes the links of an address's invitations worthless. That none is there is success.
    async fn revoke_invite(&self, email: &Email) -> Result<(), ProviderError>;
    /// Uses a link up. MUST NOT be repeated once it may have reached Stytch.
    async fn authenticate_link(
        &self,
        token: &str,
        minutes: u32,
    ) -> Result<AuthenticatedSession, ProviderError>;
    /// A fresh JWT for a session, which MUST NOT become longer by it.
    async fn refresh_session(
        &self,
        session_token: &str,
    ) -> Result<AuthenticatedSession, ProviderError>;
    /// Ends a session. That none is there is success.
    async fn revoke_session(&self, provider_session_id: &str) -> Result<(), ProviderError>;
    /// Deletes an identity. That none is there is success.
    async fn delete_user(&self, provider_user_id: &str) -> Result<(), ProviderError>;
    /// The identity of an address. Slow, and few a minute are allowed: what is asked for at about
    /// the same time SHOULD be one search.
    async fn find_user(&self, email: &Email) -> Result<Option<Identity>, ProviderError>;
    /// A part of the list of all identities, from a cursor on. Slow, and paced with searches.
    ///
    /// MUST fail rather than leave anybody out, or end before the end.
    async fn identities(&self, cursor: Option<&str>) -> Result<IdentityPage, ProviderError>;
    /// One identity, as it is now; none where Stytch says that it knows none.
    async fn identity(&self, provider_user_id: &str) -> Result<Option<Profile>, ProviderError>;
    /// Reads a session JWT whose signature, issuer and audience are good, by cached keys.
    async fn verify_jwt(&self, session_jwt: &str) -> Result<JwtClaims, JwtError>;
}
