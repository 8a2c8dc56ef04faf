//! Somebody comes back: their session is checked on every request.

mod end;

use jiff::SignedDuration;
use thiserror::Error;

pub use self::end::{EndAllError, end_all_sessions, end_other_sessions, end_session, log_out};
pub(super) use self::end::{Ending, end};
use crate::{
    Ctx, JwtClaims, JwtError, ProviderError, ProviderErrorKind, Session, StoreError, TokenHash,
    User, UserStatus,
};

/// How long a JWT that comes alone counts after its end, for Stytch's clock may be behind ours. With
/// the token it does not: a new one is had, and whoever reads it next may be stricter.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(30);

/// What a request shows of its session: the token, the JWT, or both.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// Opaque, as long-lived as the session.
    pub token: Option<&'a str>,
    /// Signed, five minutes.
    pub jwt: Option<&'a str>,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Somebody who is in.
#[derive(Debug, Clone)]
pub struct VerifiedSession {
    /// By which session.
    pub session: Session,
    /// Who.
    pub user: User,
    /// A JWT of the session that is good: the one shown, or a new one where that was missing or
    /// too old. None when Stytch can't be reached for a new one.
    pub jwt: Option<String>,
    /// Whether that is a new one.
    pub is_renewed: bool,
}

/// Why a request has no session.
#[derive(Debug, Error)]
pub enum SessionError {
    /// It shows none, or none that was ever known here.
    #[error("no session")]
    Missing,
    /// Its time ran out.
    #[error("the session has ended")]
    Expired,
    /// It was ended before its time, or its holder may not come in any more.
    #[error("the session was ended")]
    Revoked,
    /// It shows only a JWT, and that is too old.
    #[error("the session JWT is too old")]
    JwtExpired,
    /// Only a JWT was shown, and the keys to check it with can't be had.
    #[error("the session JWT can't be checked now")]
    KeysUnavailable,
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds out whose request it is.
///
/// The JWT is verified locally; the session's row here decides whether it still admits; and where
/// the JWT is missing or over its five minutes, Stytch is asked for a new one by the token. When
/// Stytch can't be reached, the row alone admits.
pub async fn check_session(
    ctx: &Ctx,
    shown: Credentials<'_>,
) -> Result<VerifiedSession, SessionError> {
    let claims = match shown.jwt {
        Some(jwt) => Some(ctx.provider.verify_jwt(jwt).await),
        None => None,
    };
    let Some(token) = shown.token else {
        let (Some(claims), Some(jwt)) = (claims, shown.jwt) else {
            return Err(SessionError::Missing);
        };
        return by_jwt_alone(ctx, jwt, claims).await;
    };
    let claims = claims.and_then(Result::ok);
    let row = ctx.store.session_by_token(TokenHash::of(token)).await?;
    let Some((session, user)) = row else {
        // Its holder was removed, and all that is left of it says that it was ended.
        let is_known = ctx.store.is_known_session_token(TokenHash::of(token)).await?;
        let error = unknown(ctx, claims.as_ref());
        return Err(match error {
            SessionError::Missing if is_known => SessionError::Revoked,
            error => error,
        });
    };
    admit(ctx, &session, &user)?;
    let is_fresh = |c: &JwtClaims| {
        ctx.now() < c.expires_at && c.provider_session_id == session.provider_session_id
    };
    if claims.as_ref().is_some_and(is_fresh) {
        let jwt = shown.jwt.map(ToOwned::to_owned);
        return Ok(VerifiedSession { session, user, jwt, is_renewed: false });
    }
    let jwt = refresh(ctx, token, &session).await?;
    Ok(VerifiedSession { is_renewed: jwt.is_some(), session, user, jwt })
}

async fn by_jwt_alone(
    ctx: &Ctx,
    jwt: &str,
    claims: Result<JwtClaims, JwtError>,
) -> Result<VerifiedSession, SessionError> {
    let claims = claims.map_err(|error| match error {
        JwtError::Invalid => SessionError::Missing,
        JwtError::KeysUnavailable => SessionError::KeysUnavailable,
    })?;
    let Some((session, user)) =
        ctx.store.session_by_provider_id(&claims.provider_session_id).await?
    else {
        return Err(unknown(ctx, Some(&claims)));
    };
    admit(ctx, &session, &user)?;
    if ctx.now().duration_since(claims.expires_at) >= CLOCKS_APART {
        return Err(SessionError::JwtExpired);
    }
    Ok(VerifiedSession { session, user, jwt: Some(jwt.to_owned()), is_renewed: false })
}

/// A session without a row: swept after its end, if its JWT says that it was one.
fn unknown(ctx: &Ctx, claims: Option<&JwtClaims>) -> SessionError {
    match claims {
        Some(claims) if claims.session_expires_at <= ctx.now() => SessionError::Expired,
        Some(_) => SessionError::Revoked,
        None => SessionError::Missing,
    }
}

fn admit(ctx: &Ctx, session: &Session, user: &User) -> Result<(), SessionError> {
    if session.ended.is_some() || user.status != UserStatus::Active {
        return Err(SessionError::Revoked);
    }
    if ctx.now() >= session.expires_at {
        return Err(SessionError::Expired);
    }
    Ok(())
}

/// A new JWT by the token. What Stytch says counts only where it says it plainly: an outage, a
/// 429 or an answer that makes no sense logs nobody out.
async fn refresh(
    ctx: &Ctx,
    token: &str,
    session: &Session,
) -> Result<Option<String>, SessionError> {
    match ctx.provider.refresh_session(token).await {
        Ok(vouched) if vouched.session.provider_session_id == session.provider_session_id => {
            Ok(Some(vouched.tokens.session_jwt))
        }
        Err(error) if is_gone(&error) => {
            end::is_gone_at_provider(ctx, session).await?;
            Err(SessionError::Revoked)
        }
        // Another session than the one asked about is no answer either.
        Ok(_) | Err(_) => Ok(None),
    }
}

fn is_gone(error: &ProviderError) -> bool {
    error.kind == ProviderErrorKind::Rejected && error.code == "session_not_found"
}
