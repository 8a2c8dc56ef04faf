//! Problems of managing invitations, users and jobs.

use guestlist_domain::flows::{InvitationError, InviteError, JobOperationError, UserError};
use guestlist_domain::{InvitationId, UserId};
use serde_json::json;

use super::{Code, Problem};

impl Problem {
    /// Creates a 403: the caller may neither grant the role nor manage a user who has it.
    pub fn role_not_grantable() -> Self {
        let detail = "Only administrators and unrestricted API keys may grant a role above \
                      member, or manage users who have one.";
        Self::new(Code::RoleNotGrantable, detail)
    }

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

    fn invitation_closed() -> Self {
        let detail = "The invitation was accepted or revoked. Create a new one instead.";
        Self::new(Code::InvitationClosed, detail)
    }

    fn last_admin() -> Self {
        let detail = "This is the last active administrator. Make another user an administrator \
                      first.";
        Self::new(Code::LastAdmin, detail)
    }

    /// Creates the problem of an operation on a job that is allowed in these states only.
    pub fn job(error: JobOperationError, allowed_states: &str) -> Self {
        match error {
            JobOperationError::NotFound => Self::not_found("job"),
            JobOperationError::WrongState(state) => {
                let detail = format!("The job is {state}. Allowed states: {allowed_states}.");
                Self::new(Code::WrongState, detail).with("state", json!(state.as_str()))
            }
            JobOperationError::Superseded => {
                let detail = "The job's invitation was resent or closed in the meantime, so the \
                              job is obsolete.";
                Self::new(Code::JobSuperseded, detail)
            }
            JobOperationError::Forbidden => Self::role_not_grantable(),
            JobOperationError::Erasure => {
                let detail = "The job erases a user, which can't be cancelled or dismissed. If it \
                              is dead, fix the cause and retry it.";
                Self::new(Code::ErasureNotCancellable, detail)
            }
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
            InviteError::Forbidden => Self::role_not_grantable(),
            InviteError::Store(error) => error.into(),
        }
    }
}

impl From<InvitationError> for Problem {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::NotFound => Self::not_found("invitation"),
            InvitationError::Closed => Self::invitation_closed(),
            InvitationError::Forbidden => Self::role_not_grantable(),
            InvitationError::AlreadyInvited(id) => Self::already_invited(id),
            InvitationError::TooSoon(wait) => Self::too_many(Code::ResentTooSoon, wait),
            InvitationError::Store(error) => error.into(),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::NotFound => Self::not_found("user"),
            UserError::OnlyInvited => {
                let detail = "The user has not accepted the invitation yet, so there is nothing to \
                              suspend or reactivate. Revoke the invitation, or delete the user.";
                Self::new(Code::UserInvited, detail)
            }
            UserError::BeingRemoved => Self::new(Code::UserDeleting, "The user is being deleted."),
            UserError::LastAdmin => Self::last_admin(),
            UserError::Forbidden => Self::role_not_grantable(),
            UserError::Store(error) => error.into(),
        }
    }
}
