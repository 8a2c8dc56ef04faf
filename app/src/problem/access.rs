//! Problems of the store, the provider, sessions, links and webhooks.

use std::time::Duration;

use guestlist_domain::flows::{RedeemError, RequestLoginError, SessionError};
use guestlist_domain::{ProviderError, ProviderErrorKind, StoreError};
use guestlist_stytch::WebhookError;

use super::{Code, Problem};
use crate::sessions::in_flight::RedemptionError;

/// `Retry-After` for failures that usually pass quickly.
const SHORT_WAIT: Duration = Duration::from_secs(2);
const PROVIDER_WAIT: Duration = Duration::from_secs(5);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request failed in the database");
        if !error.is_transient() {
            return Self::internal();
        }
        let detail = "The database is unavailable. Try again.";
        Self::new(Code::DatabaseUnavailable, detail).retry_after(SHORT_WAIT)
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        tracing::warn!(code = %error.code, request_id = error.request_id, "a call to Stytch failed");
        let detail = "The link can't be checked because Stytch is unavailable. Try again soon. If \
                      the link no longer works then, request a new one.";
        let wait = match error.kind {
            ProviderErrorKind::RateLimited(Some(wait))
            | ProviderErrorKind::BulkMailLimited(Some(wait)) => wait,
            _ => PROVIDER_WAIT,
        };
        Self::new(Code::ProviderUnavailable, detail).retry_after(wait)
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        let (code, detail) = match error {
            SessionError::Missing => (Code::SessionMissing, "Log in, or send an API key."),
            SessionError::Expired => (Code::SessionExpired, "The session expired. Log in again."),
            SessionError::Revoked => (Code::SessionRevoked, "The session was ended. Log in again."),
            SessionError::JwtExpired => (
                Code::JwtExpired,
                "The session JWT is older than five minutes. Send the session token to get a new \
                 one.",
            ),
            SessionError::KeysUnavailable => (
                Code::ProviderUnavailable,
                "The session can't be checked because Stytch is unavailable. Try again.",
            ),
            SessionError::Store(error) => return error.into(),
        };
        Self::new(code, detail)
    }
}

impl From<RequestLoginError> for Problem {
    fn from(error: RequestLoginError) -> Self {
        match error {
            RequestLoginError::RateLimited(wait) => Self::too_many(Code::TooManyRequests, wait),
            RequestLoginError::Store(error) => error.into(),
        }
    }
}

impl From<RedeemError> for Problem {
    fn from(error: RedeemError) -> Self {
        let (code, detail) = match error {
            RedeemError::LinkUsed(_) => {
                (Code::LinkUsed, "Each link works once. Request a new one.")
            }
            RedeemError::LinkExpired => (
                Code::LinkExpired,
                "The link has expired, or has been used already. Request a new one.",
            ),
            RedeemError::LinkInvalid => (
                Code::LinkInvalid,
                "The link is incomplete or has been replaced. Open the newest mail and use its \
                 link, or request a new one.",
            ),
            RedeemError::InvitationRevoked => (
                Code::InvitationRevoked,
                "Ask the person who invited you. You will get a mail only if you are invited \
                 again.",
            ),
            RedeemError::AccountSuspended => (
                Code::AccountSuspended,
                "Ask an administrator. You will get a mail only once the account is active again.",
            ),
            RedeemError::NotInvited => (
                Code::NotInvited,
                "Ask an administrator for an invitation. You will get a mail only once you are \
                 invited.",
            ),
            RedeemError::InProgress => {
                let detail = "The link is being checked. Press Continue again in a moment.";
                return Self::new(Code::Timeout, detail).retry_after(SHORT_WAIT);
            }
            RedeemError::Provider(error) => return error.into(),
            RedeemError::Store(error) => return error.into(),
        };
        Self::new(code, detail)
    }
}

impl From<RedemptionError> for Problem {
    fn from(error: RedemptionError) -> Self {
        match error {
            RedemptionError::Refused(error) => error.into(),
            RedemptionError::TooMany(wait) => {
                let problem = Self::too_many(Code::TooManyRequests, wait);
                let detail = format!("{} The link can still be used.", problem.detail);
                Self { detail, ..problem }
            }
            RedemptionError::NotRecorded => {
                let detail = "Your link was accepted, but the database is unavailable, so you \
                              can't be logged in yet. Wait a moment and press Continue again; this \
                              works for five minutes.";
                Self::new(Code::DatabaseUnavailable, detail).retry_after(SHORT_WAIT)
            }
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        tracing::warn!(%error, "a webhook was refused");
        match error {
            WebhookError::Signature => Self::new(
                Code::SignatureInvalid,
                "None of the signatures matches. Set STYTCH_WEBHOOK_SECRET to the endpoint's \
                 secret in the Stytch dashboard.",
            ),
            WebhookError::Stale => Self::new(
                Code::SignatureExpired,
                "The webhook was not signed within the last five minutes. Check the clocks if it \
                 was.",
            ),
            WebhookError::OtherProject => Self::new(
                Code::InvalidRequest,
                "The webhook belongs to a project other than STYTCH_PROJECT_ID.",
            ),
            WebhookError::Malformed(reason) => {
                Self::new(Code::InvalidRequest, format!("The webhook can't be parsed: {reason}."))
            }
        }
    }
}
