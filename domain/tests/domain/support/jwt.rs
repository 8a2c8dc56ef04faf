//! Unsigned session JWTs: the domain depends on the claims only.

use std::time::Duration;

use guestlist_domain::{JwtClaims, JwtError, ProviderSession};
use jiff::Timestamp;

const LASTS: Duration = Duration::from_mins(5);

pub(crate) fn issue(session: &ProviderSession, now: Timestamp) -> String {
    let ends = session.expires_at.as_microsecond();
    let stale = (now + LASTS).as_microsecond();
    format!("jwt.{}.{ends}.{stale}", session.provider_session_id)
}

pub(crate) fn read(jwt: &str) -> Result<JwtClaims, JwtError> {
    let parts: Vec<&str> = jwt.split('.').collect();
    let ["jwt", session, ends, stale] = parts[..] else { return Err(JwtError::Invalid) };
    Ok(JwtClaims {
        provider_session_id: session.to_owned(),
        session_expires_at: time(ends)?,
        expires_at: time(stale)?,
    })
}

fn time(micros: &str) -> Result<Timestamp, JwtError> {
    let micros = micros.parse().map_err(|_| JwtError::Invalid)?;
    Timestamp::from_microsecond(micros).map_err(|_| JwtError::Invalid)
}
