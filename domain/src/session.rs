//! Logins that last: one row for each, so that one ended anywhere is refused everywhere.

use std::fmt;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{LoginRequestId, SessionId, UserId};

/// A login at Stytch, as this side knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Ours.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// Stytch's id of it, as the JWT names it.
    pub provider_session_id: String,
    /// What the session token is known by.
    pub token_hash: TokenHash,
    /// When the person came in.
    pub started_at: Timestamp,
    /// When it ends by itself; never moved.
    pub expires_at: Timestamp,
    /// The last request with it, to the minute.
    pub last_used_at: Timestamp,
    /// The browser's own words, cut to 400 characters.
    pub user_agent: Option<String>,
    /// Where the person came in from.
    pub ip: Option<String>,
    /// When and why it was ended before its time.
    pub ended: Option<(Timestamp, EndReason)>,
}

impl Session {
    /// Whether it admits its holder at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }
}

/// Why a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its holder left.
    LoggedOut,
    /// Its browser came in again.
    Replaced,
    /// Ended from elsewhere: by an administrator or another session of the person.
    Revoked,
    /// Its holder was suspended.
    Suspended,
    /// Its holder was given a lesser role.
    Demoted,
    /// Its holder was removed.
    Removed,
    /// Stytch no longer knows it.
    GoneAtProvider,
}

crate::user::words!(EndReason {
    LoggedOut = "logged_out",
    Replaced = "replaced",
    Revoked = "revoked",
    Suspended = "suspended",
    Demoted = "demoted",
    Removed = "removed",
    GoneAtProvider = "gone_at_provider",
});

/// SHA-256 of a token: all that is kept of one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// Which sessions a change ends.
#[derive(Debug, Clone, PartialEq)]
pub struct EndSessions {
    /// Whose.
    pub user_id: UserId,
    /// Which of theirs.
    pub sessions: SessionSelector,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
}

/// Which of a person's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionSelector {
    /// One.
    One(SessionId),
    /// All but one.
    AllBut(SessionId),
    /// All.
    All,
}

impl SessionSelector {
    /// Whether that one is among them.
    pub fn includes(self, session: SessionId) -> bool {
        match self {
            Self::One(id) => session == id,
            Self::AllBut(id) => session != id,
            Self::All => true,
        }
    }
}

/// A link that has let somebody in, so that a second press can say so.
#[derive(Debug, Clone, PartialEq)]
pub struct UsedLink {
    /// What the link's token is known by.
    pub token_hash: TokenHash,
    /// Whom it let in; none when the person was refused.
    pub user_id: Option<UserId>,
    /// When.
    pub at: Timestamp,
}

/// A request for a login link, whether or not the address is known.
#[derive(Debug, Clone, PartialEq)]
pub struct LoginRequest {
    /// Ours.
    pub id: LoginRequestId,
    /// The address that was typed.
    pub email: crate::Email,
    /// How many the address has asked for before, ever: unique, so that two at the same moment
    /// cannot both be within the limit.
    pub ordinal: i64,
    /// Where to go after coming in; already checked.
    pub return_to: Option<crate::ReturnTo>,
    /// When.
    pub at: Timestamp,
    /// When its mail goes out at the earliest: an address gets one a second.
    pub send_at: Timestamp,
}
