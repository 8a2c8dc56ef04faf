//! Problems of the store, the provider, webhooks and flows.

use std::time::Duration;

use guestlist_domain::flows::{
    InvitationError, InviteError, JobOperationError, RedeemError, RequestLoginError, SessionError,
    UserError,
};
use guestlist_domain::{InvitationId, ProviderError, ProviderErrorKind, StoreError, UserId};
use guestlist_stytch::WebhookError;
use serde_json::json;

use super::{Code, Problem, seconds_text};
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

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Missing => Code::SessionMissing.into(),
            SessionError::Expired => Code::SessionExpired.into(),
            SessionError::Revoked => Code::SessionRevoked.into(),
            SessionError::JwtExpired => Code::JwtExpired.into(),
            SessionError::KeysUnavailable => {
                let detail = "The session can't be checked at the moment. Try again.";
                Self::new(Code::ProviderUnavailable, detail).retry_after(PROVIDER_WAIT)
            }
            SessionError::Store(error) => error.into(),
        }
    }
}

impl From<RequestLoginError> for Problem {
    fn from(error: RequestLoginError) -> Self {
        match error {
            RequestLoginError::RateLimited(wait) => Self::too_many(wait),
            RequestLoginError::Store(error) => error.into(),
        }
    }
}

/// Creates the problem of a link that could not be checked at Stytch.
fn unchecked_link(error: &ProviderError) -> Problem {
    tracing::warn!(code = %error.code, request_id = error.request_id, "a call to Stytch failed");
    let detail = "The link can't be checked at the moment. Try again soon. If the link no longer \
                  works then, request a new one.";
    let wait = match error.kind {
        ProviderErrorKind::RateLimited(Some(wait))
        | ProviderErrorKind::BulkMailLimited(Some(wait)) => wait,
        _ => PROVIDER_WAIT,
    };
    Problem::new(Code::ProviderUnavailable, detail).retry_after(wait)
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
                let detail = "The link is being checked. Try again in a moment.";
                Self::new(Code::Timeout, detail).retry_after(SHORT_WAIT)
            }
            RedeemError::Provider(error) => unchecked_link(&error),
            RedeemError::Store(error) => error.into(),
        }
    }
}

impl From<RedemptionError> for Problem {
    fn from(error: RedemptionError) -> Self {
        match error {
            RedemptionError::Refused(error) => error.into(),
            RedemptionError::TooMany(wait) => {
                let problem = Self::too_many(wait);
                let detail = format!("{} The link can still be used.", problem.detail);
                Self { detail, ..problem }
            }
            RedemptionError::NotRecorded => {
                let detail = "Your link was accepted, but the database is unavailable, so you \
                              can't be logged in yet. Wait a moment and try again; this works for \
                              five minutes.";
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

impl Problem {
    fn already_invited(id: InvitationId) -> Self {
        let detail = "The address has an open invitation. Resend it, or revoke it first.";
        Self::new(Code::AlreadyInvited, detail).with("invitation_id", json!(id))
    }

    fn already_member(user: UserId, is_suspended: bool) -> Self {
        let detail = if is_suspended {
            "The address belongs to a suspended user. Reactivate the user instead."
        } else {
            "The address belongs to a user already."
        };
        Self::new(Code::AlreadyMember, detail).with("user_id", json!(user))
    }

    fn address_of_deleted_user() -> Self {
        let detail = "The address belongs to a user who is being deleted. Try again once that is \
                      done.";
        Self::new(Code::UserDeleting, detail)
    }

    /// Creates the problem of an operation on a job that is allowed in these states only.
    pub fn job(error: JobOperationError, allowed_states: &str) -> Self {
        match error {
            JobOperationError::NotFound => Self::not_found("job"),
            JobOperationError::WrongState(state) => {
                let detail = format!("The job is {state}. Allowed states: {allowed_states}.");
                Self::new(Code::WrongState, detail).with("state", json!(state.as_str()))
            }
            JobOperationError::Superseded => Code::JobSuperseded.into(),
            JobOperationError::Forbidden => Code::RoleNotGrantable.into(),
            JobOperationError::Erasure => Code::ErasureNotCancellable.into(),
            JobOperationError::Store(error) => error.into(),
        }
    }
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::AlreadyInvited(id) => Self::already_invited(id),
            InviteError::AlreadyMember { user, is_suspended } => {
                Self::already_member(user, is_suspended)
            }
            InviteError::BeingRemoved => Self::address_of_deleted_user(),
            InviteError::Forbidden => Code::RoleNotGrantable.into(),
            InviteError::Store(error) => error.into(),
        }
    }
}

impl From<InvitationError> for Problem {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::NotFound => Self::not_found("invitation"),
            InvitationError::Closed => Code::InvitationClosed.into(),
            InvitationError::Forbidden => Code::RoleNotGrantable.into(),
            InvitationError::AlreadyInvited(id) => Self::already_invited(id),
            InvitationError::TooSoon(wait) => {
                let wait_text = seconds_text(wait);
                let detail = format!(
                    "The invitation was resent a moment ago. It can be resent again in {wait_text}."
                );
                Self::new(Code::ResentTooSoon, detail).retry_after(wait)
            }
            InvitationError::Store(error) => error.into(),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::NotFound => Self::not_found("user"),
            UserError::OnlyInvited => Code::UserInvited.into(),
            UserError::BeingRemoved => Code::UserDeleting.into(),
            UserError::LastAdmin => Code::LastAdmin.into(),
            UserError::Forbidden => Code::RoleNotGrantable.into(),
            UserError::Store(error) => error.into(),
        }
    }
}
