//! Sessions, used links and requests for login links.

use std::fmt;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{Email, LoginRequestId, ReturnTo, SessionId, UserId};

/// A session at the provider. This record decides whether requests with it are authenticated.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    /// The provider's id, which the session JWT carries.
    pub provider_session_id: String,
    pub token_hash: TokenHash,
    pub started_at: Timestamp,
    /// Never extended.
    pub expires_at: Timestamp,
    /// Time of the last request in the session, to the minute.
    pub last_used_at: Timestamp,
    /// The browser's `User-Agent`, truncated to 400 characters.
    pub user_agent: Option<String>,
    /// The address from which the user logged in.
    pub ip: Option<String>,
    /// When and why the session ended before it expired.
    pub ended: Option<(Timestamp, EndReason)>,
}

impl Session {
    /// Returns whether the session is neither ended nor expired at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }
}

/// Why a session ended before it expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum EndReason {
    LoggedOut,
    /// The same browser logged in again.
    Replaced,
    /// An administrator or another session of the user ended it.
    Revoked,
    Suspended,
    Demoted,
    Removed,
    /// The provider no longer knows the session.
    GoneAtProvider,
}

/// The SHA-256 hash of a token. Tokens themselves are never stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// Sessions of one user that a change ends.
#[derive(Debug, Clone, PartialEq)]
pub struct EndSessions {
    pub user_id: UserId,
    pub sessions: SessionSelector,
    pub at: Timestamp,
    pub reason: EndReason,
}

/// Selects sessions of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionSelector {
    One(SessionId),
    AllBut(SessionId),
    All,
}

impl SessionSelector {
    pub fn includes(self, session: SessionId) -> bool {
        match self {
            Self::One(id) => session == id,
            Self::AllBut(id) => session != id,
            Self::All => true,
        }
    }
}

/// A link whose token has been authenticated. The record lets a later request with the same link be
/// answered precisely.
#[derive(Debug, Clone, PartialEq)]
pub struct UsedLink {
    pub token_hash: TokenHash,
    /// The user who logged in; `None` if the login was refused.
    pub user_id: Option<UserId>,
    pub at: Timestamp,
}

/// A request for a login link, for a known or an unknown address.
#[derive(Debug, Clone, PartialEq)]
pub struct LoginRequest {
    pub id: LoginRequestId,
    pub email: Email,
    /// The number of the request among all requests for the address, from 1. It is unique, so that two
    /// concurrent requests cannot both pass the limit.
    pub ordinal: i64,
    /// The page to open after the login; validated.
    pub return_to: Option<ReturnTo>,
    pub at: Timestamp,
    /// The earliest time to send the mail: mails to one address are at least one second apart.
    pub send_at: Timestamp,
}
