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
        match error {
            SessionError::Missing => Code::SessionMissing.into(),
            SessionError::Expired => Code::SessionExpired.into(),
            SessionError::Revoked => Code::SessionRevoked.into(),
            SessionError::JwtExpired => Code::JwtExpired.into(),
            SessionError::KeysUnavailable => {
                let detail =
                    "The session can't be checked because Stytch is unavailable. Try again.";
                Self::new(Code::ProviderUnavailable, detail)
            }
            SessionError::Store(error) => error.into(),
        }
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
        match error {
            RedeemError::LinkUsed(_) => Code::LinkUsed.into(),
            RedeemError::LinkExpired => Code::LinkExpired.into(),
            RedeemError::LinkInvalid => Code::LinkInvalid.into(),
            RedeemError::InvitationRevoked => Code::InvitationRevoked.into(),
            RedeemError::AccountSuspended => Code::AccountSuspended.into(),
            RedeemError::NotInvited => Code::NotInvited.into(),
            RedeemError::InProgress => {
                let detail = "The link is being checked. Press Continue again in a moment.";
                Self::new(Code::Timeout, detail).retry_after(SHORT_WAIT)
            }
            RedeemError::Provider(error) => error.into(),
            RedeemError::Store(error) => error.into(),
        }
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
            WebhookError::Signature => Code::SignatureInvalid.into(),
            WebhookError::Stale => Code::SignatureExpired.into(),
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
