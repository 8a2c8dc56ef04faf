//! Authenticates a request by its session token, its session JWT, or both.

use jiff::SignedDuration;
use thiserror::Error;

use super::end_sessions::end_unknown_session;
use crate::{
    Ctx, JwtClaims, JwtError, ProviderErrorKind, Session, StoreError, TokenHash, User, UserStatus,
};

/// How long a JWT without a token is accepted after it expired, because the provider's clock may be
/// slow. With a token a new JWT is requested instead, as other readers may be stricter.
const JWT_LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// The session credentials of a request. `Debug` masks them.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The session token: opaque, valid as long as the session.
    pub token: Option<&'a str>,
    /// The session JWT: signed, valid for five minutes.
    pub jwt: Option<&'a str>,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// A live session and its user.
#[derive(Debug, Clone)]
pub struct VerifiedSession {
    pub session: Session,
    pub user: User,
    /// A valid JWT of the session: the one presented, or a new one if that was missing or expired.
    /// `None` if the provider could not issue one.
    pub jwt: Option<String>,
    /// Whether `jwt` is new.
    pub is_renewed: bool,
}

/// The reason why a request has no live session.
#[derive(Debug, Error)]
pub enum SessionError {
    /// No credentials were presented, or none that are known.
    #[error("no session")]
    Missing,
    #[error("the session has expired")]
    Expired,
    /// The session was ended, or its user can no longer log in.
    #[error("the session was ended")]
    Revoked,
    /// Only a JWT was presented, and it has expired.
    #[error("the session JWT has expired")]
    JwtExpired,
    /// Only a JWT was presented, and the keys to verify it are unavailable.
    #[error("the session JWT cannot be verified at present")]
    KeysUnavailable,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Authenticates a request.
///
/// The JWT is verified locally, and the stored session decides whether it is live. If the JWT is missing
/// or expired, the provider issues a new one for the token. If the provider is unavailable, the stored
/// session alone decides.
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
        return check_jwt_alone(ctx, jwt, claims).await;
    };
    let claims = claims.and_then(Result::ok);
    let token_hash = TokenHash::of(token);
    let Some((session, user)) = ctx.store.session_by_token(token_hash).await? else {
        // The session of a removed user is stored without a user.
        let is_known = ctx.store.is_known_session_token(token_hash).await?;
        return Err(match error_without_session(ctx, claims.as_ref()) {
            SessionError::Missing if is_known => SessionError::Revoked,
            error => error,
        });
    };
    require_live(ctx, &session, &user)?;
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

async fn check_jwt_alone(
    ctx: &Ctx,
    jwt: &str,
    claims: Result<JwtClaims, JwtError>,
) -> Result<VerifiedSession, SessionError> {
    let claims = claims.map_err(|error| match error {
        JwtError::Invalid => SessionError::Missing,
        JwtError::KeysUnavailable => SessionError::KeysUnavailable,
    })?;
    let session = ctx.store.session_by_provider_id(&claims.provider_session_id).await?;
    let Some((session, user)) = session else {
        return Err(error_without_session(ctx, Some(&claims)));
    };
    require_live(ctx, &session, &user)?;
    if ctx.now().duration_since(claims.expires_at) >= JWT_LEEWAY {
        return Err(SessionError::JwtExpired);
    }
    Ok(VerifiedSession { session, user, jwt: Some(jwt.to_owned()), is_renewed: false })
}

/// Returns the error for a session that is not stored. A valid JWT shows that it existed and was deleted
/// after it ended.
fn error_without_session(ctx: &Ctx, claims: Option<&JwtClaims>) -> SessionError {
    match claims {
        Some(claims) if claims.session_expires_at <= ctx.now() => SessionError::Expired,
        Some(_) => SessionError::Revoked,
        None => SessionError::Missing,
    }
}

fn require_live(ctx: &Ctx, session: &Session, user: &User) -> Result<(), SessionError> {
    if session.ended.is_some() || user.status != UserStatus::Active {
        return Err(SessionError::Revoked);
    }
    if ctx.now() >= session.expires_at {
        return Err(SessionError::Expired);
    }
    Ok(())
}

/// Requests a new JWT. Only an explicit answer that the session does not exist ends it; an outage, a rate
/// limit or an unexpected response ends no session.
async fn refresh(
    ctx: &Ctx,
    token: &str,
    session: &Session,
) -> Result<Option<String>, SessionError> {
    match ctx.provider.refresh_session(token).await {
        Ok(refreshed) if refreshed.session.provider_session_id == session.provider_session_id => {
            Ok(Some(refreshed.tokens.session_jwt))
        }
        Err(error) if error.kind == ProviderErrorKind::SessionNotFound => {
            end_unknown_session(ctx, session).await?;
            Err(SessionError::Revoked)
        }
        // An answer about another session is unexpected too.
        Ok(_) | Err(_) => Ok(None),
    }
}
